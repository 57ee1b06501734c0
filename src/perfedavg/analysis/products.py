"""Products: tables and figures, one file each in ``tables/`` and ``figures/``. A new file there is
a new product; the workflow, the page and ``docs/outputs.md`` find it by its name.

Its module holds:

- ``TITLE``, ``SECTION`` (the question that it answers, one of ``SECTIONS`` or a new one),
  ``CAPTION``, of figures ``ALT`` (the alternative text);
- ``ROWS``, which says what a row is, and ``CONTRACT``, of the CSV file;
- ``compute(...)``, the data as a DataFrame, from DataFrames;
- of tables ``shown(table, ...)``, the same for people, and ``caption(table, ...)``, which has the
  numbers; of figures ``draw(data, ...)``, the matplotlib figure;
- where needed, ``asked(config)``: whether a config has it; ``settings(...)``: plain values, from
  facts that the workflow knows (``config``, ``reference``, ``ways``, ``interpolated``, ``claims``);
  ``FOUND``: modules that it finds by their names; ``FOLDED``: the page shows the table on request;
  ``IMAGE``: the form that the page shows of a figure in place of SVG; ``CHART``: the columns of a
  figure's CSV that a reader can explore on the page as lines, or as ``points``.

All these functions say by the names of their arguments what they need: one of ``INPUTS`` or of the
settings. The workflow imports every product whenever it starts, so matplotlib is imported inside
functions."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from perfedavg.analysis.inputs import INPUTS, Files

CLAIMS = "Did the paper's claims hold?"
"""The section that opens the page."""
SECTIONS = (
    CLAIMS,
    "How accurate are the initial and the personalized model?",
    "Whom does fine-tuning help?",
    "Which way to fine-tune is best?",
    "What does stage 2 add?",
    "Is FedAvg's update a meta-learning one?",
    "How do the algorithms compare?",
    "What are the data like?",
)
"""The questions, in the order of the page."""


_MAKERS = {"table": "perfedavg.analysis.formats", "figure": "perfedavg.analysis.figures.style"}


def call(function: Callable, values: Mapping[str, Any], *first: Any) -> Any:
    """Call ``function`` with ``first``, then with those of ``values`` that its arguments name."""
    names = list(inspect.signature(function).parameters)[len(first) :]
    return function(*first, **{name: values[name] for name in names})


@dataclass(frozen=True)
class Product:
    """A table or a figure."""

    kind: Literal["table", "figure"]
    name: str
    module: ModuleType

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs that it reads."""
        kinds = ("compute", "shown", "caption", "draw")
        functions = [getattr(self.module, kind) for kind in kinds if hasattr(self.module, kind)]
        asked = {name for function in functions for name in inspect.signature(function).parameters}
        return [name for name in INPUTS if name in asked]

    def asked(self, config: Any) -> bool:
        """Whether this config has the product."""
        return not hasattr(self.module, "asked") or self.module.asked(config)

    def settings(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Its settings, plain values."""
        return call(self.module.settings, facts) if hasattr(self.module, "settings") else {}

    def files(self, results: str) -> list[str]:
        """Its files below an experiment's folder: a table's as CSV, Markdown and LaTeX, a figure's
        as PNG, PDF and SVG with its data as CSV."""
        forms = ("csv", "md", "tex") if self.kind == "table" else ("png", "pdf", "svg", "csv")
        return [f"{results}/{self.kind}s/{self.name}.{form}" for form in forms]

    @property
    def source(self) -> list[str]:
        """The modules that it is made by; nothing imports them by name."""
        return [self.module.__name__, _MAKERS[self.kind], *getattr(self.module, "FOUND", ())]

    def make(
        self, files: Mapping[str, Files], settings: Mapping[str, Any], base: str | Path
    ) -> None:
        """Write ``<base>.csv`` and its other forms from the files of its inputs."""
        values = {name: INPUTS[name](files[name]) for name in self.inputs}
        self.write(values | dict(settings), base)

    def write(self, values: Mapping[str, Any], base: str | Path) -> None:
        """The same from what its functions ask for."""
        import_module(_MAKERS[self.kind]).make(self.module, values, base)

    def on_page(self) -> dict[str, Any]:
        """What the page shows of it besides its files, as plain values."""
        module = self.module
        facts = {name.lower(): getattr(module, name) for name in ("TITLE", "SECTION", "CAPTION")}
        if self.kind == "figure":
            facts |= {"alt": module.ALT, "image": getattr(module, "IMAGE", "svg")}
            if hasattr(module, "CHART"):
                facts["chart"] = module.CHART
        folded = getattr(module, "FOLDED", False)
        return {"kind": self.kind, "name": self.name, "folded": folded, **facts}


def find(kind: Literal["table", "figure"], name: str) -> Product:
    """The product of this kind and name."""
    return Product(kind, name, import_module(f"perfedavg.analysis.{kind}s.{name}"))


def all_products() -> list[Product]:
    """All products in the order of the page: by section; tables, then figures, then folded
    tables."""
    products = [
        find(kind, file.name)
        for kind in ("table", "figure")
        for file in pkgutil.iter_modules([str(Path(__file__).parent / f"{kind}s")])
        if file.name != "style"
    ]

    def place(product: Product) -> tuple[int, bool]:
        section = product.module.SECTION
        known = SECTIONS.index(section) if section in SECTIONS else len(SECTIONS)
        return known, getattr(product.module, "FOLDED", False)

    return sorted(products, key=place)
