"""Which runs there are, how much work each job is, and what that costs."""
