"""Runs for the tests of this folder: trained into a folder, and what they wrote."""

from perfedavg.training.federated import train_runs
from tests.conftest import make_spec

TRAINING, VALIDATION, EVALUATION = [0, 1, 2, 3, 4], [5, 6, 7], [8, 9, 10, 11]


def train(store, folder, specs):
    train_runs(specs, store, TRAINING, VALIDATION, folder / "runs", folder / "resume")


def files(folder):
    """Bytes of everything that must be reproducible."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "timings.parquet"
    }


def later(parent, **changes):
    """A run of stage 2 that starts from ``parent``."""
    return make_spec(
        run_id="later-s0",
        setting="later",
        stage=2,
        parent_run_id=parent.run_id,
        parent_rounds=parent.rounds,
        rounds=5,
        evaluated_rounds=[4, 5],
        **changes,
    )
