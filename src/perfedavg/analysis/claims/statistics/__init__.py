"""One file per statistic, found by its name in ``config/claims.yaml``. Its function
``measure(measures, arguments, margin)`` returns a ``Measured`` and raises ``MissingError`` where
nothing of what it needs was run; its docstring says what the arguments mean."""

from importlib.resources import files

NAMES = sorted(
    file.name.removesuffix(".py")
    for file in files(__name__).iterdir()
    if file.name.endswith(".py") and file.name != "__init__.py"
)
