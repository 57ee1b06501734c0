"""From tables on disk to selection, tables, figures and the report. Never touches data, models or
training."""
