"""Local training on one client, evaluation, checkpoints."""
