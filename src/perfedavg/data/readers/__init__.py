"""Formats of archives, one file each: a data set of ``sets/`` names what is in its own."""
