"""The same work in other hands: each module's ``start(work, threads, serve)`` sets up, then hands
its tasks to ``serve``."""
