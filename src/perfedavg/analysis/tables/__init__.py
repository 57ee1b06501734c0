"""One file per table; ``analysis/products.py`` says what it holds."""
