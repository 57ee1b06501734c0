"""The one error that a user is meant to read."""


class PerfedavgError(Exception):
    """A problem that the user can solve. Its message is one sentence: what is wrong, where, and
    what to do."""
