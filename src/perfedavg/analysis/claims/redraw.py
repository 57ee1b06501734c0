"""Table and figure ``claims`` from a finished experiment, or from what was kept of its metrics,
without the workflow."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from perfedavg.analysis.claims.experiment import commits, read, settings
from perfedavg.analysis.claims.registration import entries, registered
from perfedavg.analysis.products import find
from perfedavg.data.sets import data_set
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import read_json, sha256_of


def redraw(results: Path, claims_file: Path, folder: Path) -> None:
    """Write ``tables/claims.*`` and ``figures/claims.*`` below ``folder``.

    Raises:
        PerfedavgError: a file is damaged, or ``results`` is not the experiment of the claims.
    """
    claims = entries(claims_file) | {"sha256": sha256_of(claims_file)}
    if results.resolve().name != claims["experiment"]:
        raise PerfedavgError(
            f"{claims_file} is decided by the experiment {claims['experiment']}: there is no table "
            f"of claims of {results}; name that experiment's folder."
        )
    values = read(results) | {"registered": registered(commits(results)), "other_data": None}
    config = read_json(results / "provenance.json")["config"]
    what = SimpleNamespace(data=data_set(config["data"]), experiment=config["experiment"])
    values |= settings(what, values["reference"], claims)
    for kind in ("table", "figure"):
        base = folder / f"{kind}s/claims"
        base.parent.mkdir(parents=True, exist_ok=True)
        find(kind, "claims").write(values, base)
