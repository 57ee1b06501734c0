"""Table and figure ``claims`` from a finished experiment, or from what was kept of its metrics,
without the workflow."""

from __future__ import annotations

from pathlib import Path

from perfedavg.analysis.claims.experiment import commits, read, settings
from perfedavg.analysis.claims.registration import registered
from perfedavg.analysis.claims.statistics import NAMES
from perfedavg.analysis.products import find
from perfedavg.config.claims import load_claims
from perfedavg.config.load import load_config
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import read_json


def redraw(results: Path, claims_file: Path, folder: Path) -> None:
    """Write ``tables/claims.*`` and ``figures/claims.*`` below ``folder``.

    Raises:
        PerfedavgError: a file is damaged, or ``results`` is not the experiment of the claims.
    """
    claims = load_claims(claims_file, NAMES)
    if results.resolve().name != claims["experiment"]:
        raise PerfedavgError(
            f"{claims_file} is decided by the experiment {claims['experiment']}: there is no table "
            f"of claims of {results}; name that experiment's folder."
        )
    values = read(results) | {"registered": registered(commits(results)), "other_data": None}
    config = load_config(read_json(results / "provenance.json")["config"])
    values |= settings(config, values["reference"], claims)
    for kind in ("table", "figure"):
        base = folder / f"{kind}s/claims"
        base.parent.mkdir(parents=True, exist_ok=True)
        find(kind, "claims").write(values, base)
