"""What an experiment is: one file per block, messages for mistakes, generated documentation."""
