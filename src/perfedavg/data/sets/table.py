"""``table``: data of the user's own, one example per row of Parquet (docs/your-own-data.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from perfedavg.blocks import Count, Natural
from perfedavg.data import columns, table_facts, table_rows
from perfedavg.data.readers import parquet
from perfedavg.data.sources import DataSet, DataSize, Sha256
from perfedavg.data.store import ClientExamples
from perfedavg.data.table_facts import Facts
from perfedavg.data.table_rows import Rows
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.source import code_hash
from perfedavg.storage.files import fingerprint, sha256_of, write_text

CACHE = Path("results/data/tables")
"""What was found in tables, so that a table is gone through once and not at every start."""


class Table(DataSet):
    """Data of your own: Parquet with the columns `client_id`, `features`, `label` and, if there is
    one, `split`."""

    dataset: Literal["table"] = Field(description="name of the data set")
    path: str | tuple[str, ...] | None = Field(
        None, description="the Parquet file, or a folder or a list of them"
    )
    features: Literal["images", "vectors", "tokens"] | None = Field(
        None, description="what features are; null: found, and said"
    )
    shape: tuple[Count, ...] | None = Field(
        None, min_length=1, max_length=2, description="[h, w] of images that are flat lists"
    )
    classes: Count | None = Field(
        None, description="number of classes; null: found, the largest label and one more"
    )
    tokens: Count | None = Field(
        None, description="number of token ids; null: found, the largest id and one more"
    )
    test_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="share of a client's examples that test it, where the table has no split"
    )
    seed: Natural = Field(0, description="seed of the draw of these examples")
    sha256: Sha256 | None = Field(
        None, description="checksum that the file must have; null: whatever it has"
    )

    packages = ("numpy", "pyarrow")
    of_the_user = True

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_more(cls, path: Any) -> Any:
        return tuple(path) if isinstance(path, list) else path

    def clients(self, archive: Path | None, scratch: Path) -> Iterator[ClientExamples]:
        """Every client that has a row, sorted by id."""
        return parquet.read_clients(self.files, self.facts, self.test_share, self.seed, scratch)

    @cached_property
    def files(self) -> list[str]:
        """The Parquet files."""
        if self.path is None:
            raise PerfedavgError("Config key `data.path` is missing; give it a Parquet file.")
        return parquet.parquet_files(self.path)

    def reading(self, files: Sequence[str]) -> Table:
        """The same, read from these files."""
        return Table(**self.model_dump() | {"path": list(files)})

    @cached_property
    def facts(self) -> Facts:
        """What the table holds.

        Raises:
            PerfedavgError: a value cannot be meant; with file, client and value.
        """
        asked = self.model_dump(include={"features", "shape", "classes", "tokens"}, mode="json")
        places = [(Path(file).resolve(), Path(file).stat()) for file in self.files]
        key = fingerprint(
            [
                asked,
                [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in places],
                [
                    code_hash(module.__file__)
                    for module in (columns, table_facts, table_rows, parquet)
                ],
            ]
        )
        cache = CACHE / f"{key[:16]}.json"
        facts = _cached(cache)
        if facts is None:
            rows = Rows(self.features, self.shape, self.classes, self.tokens)
            found = parquet.find_facts(self.files, rows)
            sums = [sha256_of(file) for file in self.files]
            sha256 = sums[0] if len(sums) == 1 else fingerprint(sums)
            facts = found.model_copy(update={"sha256": sha256})
            write_text(cache, facts.model_dump_json(indent=2) + "\n")
        if self.sha256 not in (None, facts.sha256):
            raise PerfedavgError(
                f"{self.files[0]} has the sha256 {facts.sha256}, not data.sha256; check data.path."
            )
        return facts

    @property
    def kind(self) -> Literal["images", "vectors", "tokens"]:
        """Found or given, as what follows."""
        return self.facts.kind

    @property
    def num_classes(self) -> int:
        """Classes."""
        return self.facts.num_classes

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of an example."""
        return self.facts.example_shape

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of its labels."""
        return self.facts.label_shape

    @property
    def num_values(self) -> int:
        """Token ids, the padding's among them."""
        return self.facts.num_values

    @property
    def doubts(self) -> Sequence[str]:
        """Columns that are not used, labels that do not occur."""
        return self.facts.doubts

    @property
    def client_ids(self) -> Sequence[str]:
        """Of a table that is not too large."""
        return self.facts.ids

    @property
    def called(self) -> str:
        """The name of the file or folder; of several, the first one's."""
        paths = [self.path] if isinstance(self.path, str) else self.path or ("table",)
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return Path(paths[0]).name + more

    @property
    def size(self) -> DataSize:
        """As counted in the table; of test examples that are drawn, about."""
        facts = self.facts
        train, test = facts.train / facts.clients, facts.test / facts.clients
        if not facts.has_split:
            train, test = train * (1 - self.test_share), train * self.test_share
        return DataSize(facts.clients, train, test)

    @property
    def content(self) -> dict[str, Any]:
        """The block without where the table lies, and what it holds."""
        block = self.model_dump(mode="json", exclude={"path"})
        return block | {"sha256": self.facts.sha256 if self.path else self.sha256}

    @property
    def metadata(self) -> dict[str, str]:
        """Kind and classes, and how the table was read."""
        drawn = ""
        if not self.facts.has_split:
            drawn = (
                f"The data file has no test split: {100 * self.test_share:g} % of each client's "
                f"examples, drawn at random (seed {self.seed}), are held out as its test set."
            )
        padding = {"padding": str(self.num_values - 1)} if self.kind == "tokens" else {}
        return {
            "dataset": self.dataset,
            "kind": self.kind,
            "classes": json.dumps(self.facts.classes),
            "assumed": json.dumps(self.facts.assumed),
            "caveat": drawn,
            **padding,
        }


def _cached(path: Path) -> Facts | None:
    try:
        return Facts.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no UTF-8, no JSON, or of other facts
        return None
