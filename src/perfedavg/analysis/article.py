"""The article: a reproduction report as a typeset PDF, made from the results of one experiment
alone.

``article_facts`` reads the results and says what is in them, ``article.typ`` how it is set. The
facts cross as one JSON file, whose texts Typst takes as they are, never as markup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from perfedavg.analysis.article_facts import facts, read
from perfedavg.runtime.errors import PerfedavgError, reason
from perfedavg.storage.files import atomic, write_json

MOST = 8
"""Pages."""
FIGURES = (
    "claims",
    "rounds",
    "stage2",
    "finetune_curve",
    "theory",
    "algorithms",
    "table1_vs_paper",
    "ngrams",
    "clients_before_after",
    "interpolation",
    "strategies",
    "paper_claims",
    "data_card",
)
"""In the order in which they are given room; figures that are not named here come last."""
MOST_FIGURES = 8
_HERE = Path(__file__).parent


def write_article(
    path: Path,
    products: list[dict[str, Any]],
    kind: str,
    network: str,
    protocol: str | Path,
    targets: str | Path,
) -> None:
    """Write the article from what lies beside it in the results folder of one experiment. It shows
    as many figures as eight pages have room for.

    Args:
        products: what ``Product.on_page`` gives, in the order of the page.
        kind: of the data, ``images``, ``vectors`` or ``tokens``.
        network: name of the network.
        protocol: ``config/paper_protocol.yaml``.
        targets: ``config/paper_targets.csv``.

    Raises:
        PerfedavgError: a file is missing or damaged.
    """
    results = path.parent
    found = facts(results, products, kind, network, protocol, targets)
    forms = {p["name"]: p["image"] for p in products if p["kind"] == "figure"}
    ranked = sorted(forms, key=lambda n: FIGURES.index(n) if n in FIGURES else len(FIGURES))
    files = {name: _HERE / name for name in ("article.typ", "article.bib")}
    for name in (f"{name}.{forms[name]}" for name in ranked[:MOST_FIGURES]):
        files[name] = results / "figures" / name
    with TemporaryDirectory() as folder:
        for name, file in files.items():
            (Path(folder) / name).write_bytes(read(file, Path.read_bytes))
        pdf = _typeset(Path(folder), found, ranked[:MOST_FIGURES])
    with atomic(path) as temporary:
        temporary.write_bytes(pdf)


def _typeset(folder: Path, found: dict[str, Any], figures: list[str]) -> bytes:
    """The PDF of the template in ``folder``, with as much as there is room for. No date is in it,
    and the fonts are the compiler's own: equal results are equal bytes."""
    import typst

    write_json(folder / "config.json", found["provenance"]["config"])
    try:
        for shown, appendix in _levels(figures):
            data = _apostrophes(found | {"shown": shown, "appendix": appendix})
            write_json(folder / "data.json", data)
            document = typst.Compiler(folder / "article.typ", folder, ignore_system_fonts=True)
            if int(document.query("<pages>", field="value", one=True)) <= MOST:
                break
        return document.compile(format="pdf")
    except RuntimeError as error:
        raise PerfedavgError(
            f"The article cannot be set ({reason(error)}); `snakemake --cores 1 verify` names "
            "figures that are damaged, delete them and give the same command again."
        ) from error


def _apostrophes(value: Any) -> Any:
    """Those of a printer in all texts: Typst takes texts as they are."""
    if isinstance(value, dict):
        return {key: _apostrophes(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_apostrophes(one) for one in value]
    return value.replace("'", "’") if isinstance(value, str) else value


def _levels(figures: list[str]) -> Iterator[tuple[list[str], bool]]:
    """What is shown, the most first: figures, and whether the config is appended."""
    yield figures, True
    for number in range(len(figures), -1, -1):
        yield figures[:number], False
