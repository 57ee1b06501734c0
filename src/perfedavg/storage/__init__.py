"""Files, tables and checkpoints on disk, written whole or not at all."""
