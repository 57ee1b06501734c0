"""What a data set is: the base of the blocks `data` of a config, one for each file of ``sets/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, StringConstraints, field_validator

from perfedavg.blocks import Block
from perfedavg.data.checksums import checksums
from perfedavg.data.store import ClientExamples
from perfedavg.storage.files import fingerprint

Sha256 = Annotated[
    str, StringConstraints(to_lower=True, strip_whitespace=True, pattern="^[0-9a-fA-F]{64}$")
]


class DataSize(NamedTuple):
    """Clients, and the mean number of their train and test examples."""

    clients: int
    train: float
    test: float


class DataSet(Block):
    """A data set: a config block, and all that the workflow needs to know of the data.

    A file of ``sets/`` has one such class, with ``dataset: Literal["<name of the file>"]``. The
    workflow imports all of them at every start, so what takes long to import is imported inside
    functions.

    Attributes:
        kind: ``images`` ``[h, w]``, uint8 (a grey level k stands for k/255) or float32;
            ``vectors`` ``[features]``, float32; or ``tokens``, integer ids.
        num_classes: labels are 0 .. num_classes - 1; negative ones are masked.
        example_shape: of one example, and
        label_shape: of its labels: () for one label, (length,) for one per position.
        num_values: stored integers are 0 .. num_values - 1.
        packages: whose versions the stored examples depend on.
        is_the_papers: numbers from these data may stand beside the paper's, if the clients are
            (:meth:`are_the_papers`).
        client_word: what a client is.
        labels_are: what labels stand for, for the data card.
        ink: images are dark ink on white paper, and
        mean_ink: how much of it about; None: nothing is known.
        of_the_user: the user's own data, not a published set or a stand-in for one."""

    dataset: str = Field(description="name of the data set")

    kind: ClassVar[Literal["images", "vectors", "tokens"]]
    num_classes: ClassVar[int]
    example_shape: ClassVar[tuple[int, ...]]
    label_shape: ClassVar[tuple[int, ...]] = ()
    num_values: ClassVar[int] = 256
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    is_the_papers: ClassVar[bool] = False
    client_word: ClassVar[str] = "client"
    labels_are: ClassVar[str] = ""
    ink: ClassVar[bool] = False
    mean_ink: ClassVar[float | None] = None
    of_the_user: ClassVar[bool] = False

    def clients(self, archive: Path | None, scratch: Path) -> Iterator[ClientExamples]:
        """Every client, in the order of the store.

        Args:
            archive: the verified archive, where the data set has one.
            scratch: a folder for temporary files.
        """
        raise NotImplementedError

    @property
    def size(self) -> DataSize:
        """The size before the data are there; an archive of the user's own can be of another."""
        raise NotImplementedError

    @property
    def doubts(self) -> Sequence[str]:
        """Sentences on how the data are read that may well be a mistake, said at the start."""
        return ()

    @property
    def client_ids(self) -> Sequence[str]:
        """The clients' ids, where they are known before the store is made."""
        return ()

    @property
    def files(self) -> list[str]:
        """Files of the user's own that are read where they lie: those that the block names."""
        texts = self.model_dump(exclude={"dataset", "archive"}).values()
        return [text for text in texts if isinstance(text, str) and Path(text).is_file()]

    def reading(self, files: Sequence[str]) -> DataSet:
        """The same data set, read from these files."""
        return self

    @property
    def metadata(self) -> dict[str, str]:
        """Facts for the store: the data set's name and what its data say of themselves, among them
        ``assumed``, a JSON list of sentences on how they were read, and ``caveat``, what must be
        said of them wherever a number is shown."""
        return {"dataset": self.dataset}

    @property
    def called(self) -> str:
        """The data, by name."""
        return self.dataset

    @property
    def described(self) -> str:
        """Kind, size and classes, in words."""
        by = "x".join(map(str, self.example_shape))
        unit = {"images": "pixels", "vectors": "values", "tokens": "per sequence"}[self.kind]
        return f"{self.kind} ({by} {unit}) in {self.num_classes:,} classes"

    def are_the_papers(self, client_ids: Sequence[str]) -> bool:
        """Whether these are the paper's clients, or some of them."""
        return self.is_the_papers

    def caveat(
        self,
        client_ids: Sequence[str],
        training_clients: int | None = None,
        rounds: int | None = None,
    ) -> str:
        """What must be said wherever a number made from these data is shown; empty: nothing.

        Args:
            training_clients: clients that train, and
            rounds: rounds of stage 1, where the caveat is about results.
        """
        return ""

    @classmethod
    def text(cls, example: np.ndarray) -> str:
        """An example of tokens, or a vector, as people read it."""
        form = "d" if example.dtype.kind in "iu" else ".4g"
        return " ".join(f"{value:{form}}" for value in example)

    @classmethod
    def label_name(cls, label: int) -> str:
        """A label as a short sign on an axis; asked for where labels are tokens."""
        return str(label)

    @property
    def content(self) -> dict[str, Any]:
        """What the data depend on: all of the block but where a copy of an archive lies."""
        return self.model_dump(mode="json", exclude={"archive"})

    @property
    def store_name(self) -> str:
        """Folder of the client store: the data set and a hash of what it depends on, which is also
        what the files hold that the block names."""
        content: Any = self.content
        if "sha256" not in content and self.files:
            content = [content, list(checksums(map(Path, self.files)).values())]
        return f"{self.dataset}-{fingerprint(content)[:8]}"


class Archive(DataSet):
    """A published data set, in any of its formats.

    Attributes:
        urls: what serves the public archive, the first one first, and
        public_sha256: its checksum.
        layout: what it is called in each format, a :class:`perfedavg.data.archives.Layout`."""

    archive: str | None = Field(
        None,
        description="path or URL of the archive, or a folder or file with the same "
        "(docs/your-own-data.md); null: the public one, then its mirror",
    )
    sha256: Sha256 | None = Field(
        None,
        description="checksum of what `archive` names; null: of a path, whatever is there; else "
        "the public archive's",
    )

    urls: ClassVar[tuple[str, ...]]
    public_sha256: ClassVar[str]
    layout: ClassVar[Any]

    @field_validator("archive")
    @classmethod
    def _path_or_url(cls, archive: str | None) -> str | None:
        if archive is None or archive.startswith(("http://", "https://")):
            return archive
        path = archive.removeprefix("file://")
        if "://" in path:
            raise ValueError("it should be a path or an http(s) address")
        return str(Path(path).expanduser())

    @property
    def is_local(self) -> bool:
        """``archive`` is a file of the user's own, read where it lies."""
        return self.archive is not None and "://" not in self.archive

    @property
    def expected_sha256(self) -> str | None:
        """The checksum that identifies the data; None: that of what lies at a path."""
        return self.sha256 or (None if self.is_local else self.public_sha256)

    @property
    def content(self) -> dict[str, Any]:
        """The data set and the checksum."""
        return super().content | {"sha256": self.expected_sha256}
