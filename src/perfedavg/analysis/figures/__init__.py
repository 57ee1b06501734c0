"""One module a figure; each writes PNG, PDF, SVG and the data it shows as CSV."""
