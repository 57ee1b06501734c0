"""One file per figure; ``analysis/products.py`` says what it holds. ``style`` is shared."""
