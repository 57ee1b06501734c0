"""What the article says: every number of it, as text, from the files of one experiment."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from importlib.metadata import metadata, version
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pandera.errors

from perfedavg.analysis import article_tables as tables
from perfedavg.analysis.article_method import method, rules
from perfedavg.analysis.choices import Selection
from perfedavg.analysis.claims.verdicts import INCONCLUSIVE, NOT_TESTED, REFUTED, SUPPORTED
from perfedavg.analysis.inputs import PAPER
from perfedavg.analysis.products import CLAIMS, find
from perfedavg.analysis.protocol import DIFFERS, SAME, SILENT, Compared, compare, read_protocol
from perfedavg.analysis.runs import local_work, read_runs_table
from perfedavg.data.sets import data_set
from perfedavg.runtime.errors import PerfedavgError, reason
from perfedavg.storage.files import read_json
from perfedavg.storage.tables import read_table

VERDICTS = (SUPPORTED, REFUTED, INCONCLUSIVE, NOT_TESTED)
ENDS = ("min", "max")
FEW = 6
"""As many decided claims are said in words; of more, their ids."""
Read = TypeVar("Read")
Facts = dict[str, Any]


def read(path: Path, how: Callable[[Path], Read]) -> Read:
    """What ``how`` reads from a file.

    Raises:
        PerfedavgError: it is missing or damaged.
    """
    try:
        return how(path)
    except (OSError, ValueError, LookupError, TypeError, pandera.errors.SchemaError) as error:
        raise PerfedavgError(
            f"{path}, which the article is made from, is missing or damaged "
            f"({reason(error)}); delete it and give the same command again, which makes it anew."
        ) from error


def facts(
    results: Path,
    products: list[dict[str, Any]],
    kind: str,
    network: str,
    protocol: str | Path,
    targets: str | Path,
) -> Facts:
    """All that ``article.typ`` sets, as plain values; arguments as in
    :func:`perfedavg.analysis.article.write_article`.

    Raises:
        PerfedavgError: a file is missing or damaged.
    """
    provenance = read(results / "provenance.json", read_json)
    runs = read(results / "runs.csv", read_runs_table)
    selection = read(results / "selection.json", Selection.load)
    config = provenance["config"]
    data = data_set(config["data"])
    papers = read_protocol(protocol, kind)
    compared = compare(papers["rows"], config | {"model": network.partition("@")[0]})
    found = {product["name"] for product in products if product["kind"] == "table"}
    own = data.of_the_user
    claims = None
    if "claims" in found and not own:
        contract = find("table", "claims").module.CONTRACT
        claims = read(results / "tables/claims.csv", lambda file: read_table(contract, file))
    times, sums = read(results, tables.of_times)
    diverged = runs.status.str.startswith("diverged")
    tried = runs.study == "comparison"
    card = {}
    if "data_card" in found:
        frame = read(results / "tables/data_card.md", tables.read_markdown)
        card = dict(zip(frame.quantity, frame.value, strict=True))
    elif (split := results / "split.csv").exists():
        groups = read(split, pd.read_csv).client_group.value_counts()
        card = {f"{group} clients": f"{number:,}" for group, number in groups.items()}
    return {
        "experiment": config["experiment"],
        "own": own,
        "data": data.called,
        "is_the_papers": data.is_the_papers,
        "kind": kind,
        "client_word": data.client_word,
        "caveat": runs.caveat.iloc[0],
        "paper": papers["paper"],
        "network": network.partition("@")[0],
        "network_sentence": provenance["network"],
        "software": f"perfedavg {version('perfedavg')}",
        "provenance": provenance,
        "commit": provenance["git_commit"][:12] + provenance["git_commit"][40:],
        "commit_known": provenance["git_commit"] != "unknown",
        "address": _address(),
        "checksum": f"{provenance['data_sha256'][:16]}…",
        "claims": None if claims is None else _claims(claims),
        "targets": _targets(read(Path(targets), lambda file: read_table(PAPER, file)))
        if papers["called"] == "EMNIST-62" and not own
        else None,
        "card": card,
        "sections": _sections(results, products),
        "rules": rules(),
        "method": method(config, runs, selection, card),
        "best": _best(results) if "table1" in found else None,
        "deviations": _deviations(compared, papers["called"]),
        "runs": f"{len(runs):,}",
        "settings": f"{runs.setting.nunique():,}",
        "seeds": f"{runs.seed.nunique():,}",
        "diverged": f"{int((diverged & ~tried).sum()):,}",
        "not_tried": f"{int((~tried).sum()):,}",
        "tried": f"{int(tried.sum()):,}",
        "tried_diverged": f"{int((diverged & tried).sum()):,}",
        "cost": _cost(sums),
        "times": times,
        "config": _halves(tables.of_config(config) + _packages(provenance)),
    }


def _claims(table: pd.DataFrame) -> Facts:
    """Counts by verdict, whether the paper held, the tables, and of what was decided the ids."""
    counts = {verdict: int((table.verdict == verdict).sum()) for verdict in VERDICTS}
    decided = counts[SUPPORTED] + counts[REFUTED]
    empirical = table[table.family != "identity"]
    held = "undecided"
    if (empirical.verdict == NOT_TESTED).all():
        held = "not tested"
    elif decided:
        held = "in part"
        if not counts[REFUTED]:
            held = "where decided"
        elif not (empirical.verdict == SUPPORTED).any():
            held = "nowhere"
    return {
        "counts": {verdict: str(n) for verdict, n in counts.items()},
        "total": str(len(table)),
        "decided": str(decided),
        "in_words": decided <= FEW,
        "held": held,
        "ids": {v: list(table.id[table.verdict == v]) for v in (SUPPORTED, REFUTED, INCONCLUSIVE)},
        "num_post_hoc": str(int(table.why.str.contains("post hoc").sum())),
        "table": tables.of_claims(table, VERDICTS),
        "families": tables.by_family(table, list(VERDICTS)),
    }


def _targets(paper: pd.DataFrame) -> Facts:
    """The paper's own Table 1 in words: its range, and its best rows by M."""
    best = []
    for clients, rows in paper.groupby("clients_per_round"):
        row: Facts = {"clients": str(clients)}
        for model in ("initial", "personalized"):
            first = rows.loc[rows[f"{model}_mean"].idxmax()]
            row[model] = f"{first[f'{model}_mean']:.4f}"
            row[f"{model}_epochs"] = str(int(first.local_epochs))
        best.append(row)
    return {
        "best": best,
        **{
            f"{model}_{end}": f"{getattr(paper[f'{model}_mean'], end)():.4f}"
            for model in ("initial", "personalized")
            for end in ENDS
        },
    }


def _best(results: Path) -> Facts | None:
    """The best settings of Table 1, for each model."""
    contract = find("table", "table1").module.CONTRACT
    table = read(results / "tables/table1.csv", lambda file: read_table(contract, file))
    found: Facts = {"num_clients": f"{table.num_clients.max():,}"}
    for model in ("initial", "personalized"):
        values = table[f"{model}_mean"]
        if values.isna().all():
            return None
        row = table.loc[values.idxmax()]
        work, letter = local_work(table)
        found[model] = {"accuracy": f"{values.max():.4f}", "clients": str(row.clients_per_round)}
        found[model] |= {"letter": letter, "work": str(row[work])}
    gains = (table.personalized_mean - table.initial_mean).dropna()
    found |= {f"gain_{end}": tables.signed(f"{getattr(gains, end)():+.4f}") for end in ENDS}
    edge = int((table.epoch_at_edge != "").sum()) if "epoch_at_edge" in table else 0
    return found | {"num_at_edge": str(edge), "num_settings": str(len(table))}


def _sections(results: Path, products: list[dict[str, Any]]) -> list[Facts]:
    """The results by question; that of the claims comes first and has its own table."""
    sections = []
    for name, of in groupby(products, lambda product: product["section"]):
        section: Facts = {"title": name, "claims": name == CLAIMS, "tables": [], "figures": []}
        for product in of:
            shown = {key: product[key] for key in ("name", "title", "caption")}
            base = results / f"{product['kind']}s/{product['name']}"
            if product["kind"] == "figure":
                drawing = read(base.with_suffix(".svg"), lambda file: file.read_text("utf-8"))
                answer = re.search(r"<dc:description>(.*?)</dc:description>", drawing, re.DOTALL)
                words = " ".join(unescape(answer[1]).split()) if answer else ""
                shown["answer"] = tables.signed(words)
                shown |= {"alt": product["alt"], "file": f"{product['name']}.{product['image']}"}
                section["figures"].append(shown)
            elif product["name"] in tables.TABLES:
                frame = read(base.with_suffix(".md"), tables.read_markdown)
                parts = tables.of_product(product["name"], frame)
                section["tables"].append(shown | {"parts": parts})
        sections.append(section)
    return sections


def _deviations(compared: list[Compared], called: str) -> Facts:
    """The protocol's rows by result, how many there are, and of what is as in the paper and of what
    is silent."""
    rows = [row._asdict() for row in compared]
    by_result = {result: [r for r in rows if r["result"] == result] for result in (SAME, DIFFERS)}
    silent = [row for row in rows if row["result"] == SILENT]
    return {
        "called": called,
        "same": by_result[SAME],
        "differs": by_result[DIFFERS],
        "silent": silent,
        "standards": any(row["standard"] for row in rows),
        "total": str(len(rows)),
        "num_same": str(len(by_result[SAME])),
        "num_differs": str(len(by_result[DIFFERS])),
        "num_silent": str(len(silent)),
        "num_inferred": str(sum(row["status"] == "inferred" for row in rows)),
    }


def _address() -> str | None:
    """Where the source can be had, if the package says so."""
    urls = dict(url.split(", ", 1) for url in metadata("perfedavg").get_all("Project-URL") or ())
    return urls.get("Repository")


def _packages(provenance: Facts) -> list[tuple[str, str]]:
    return [(k, str(v)) for k, v in (provenance["machine"] | provenance["packages"]).items()]


def _halves(rows: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Two columns of nearly equal length."""
    half = (len(rows) + 1) // 2
    return [rows[:half], rows[half:]]


def _cost(sums: dict[str, float]) -> Facts:
    """Core time of all jobs, and the share of it that was start-up."""
    seconds = sums["startup_seconds"] + sums["work_seconds"]
    minutes = seconds / 60
    if not sums["jobs"]:  # of results that came without their logs
        return {"known": False, "time": "not known"}
    time = f"{minutes / 60:.1f} core-hours" if minutes >= 90 else f"{minutes:.1f} core-minutes"
    share = f"{100 * sums['startup_seconds'] / max(seconds, 1e-9):.0f} %"
    jobs = f"{int(sums['jobs']):,}"
    return {"known": True, "time": time, "jobs": jobs, "startup_share": share}
