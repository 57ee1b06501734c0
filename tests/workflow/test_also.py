"""A config that names further ones: several experiments in one call."""

import pytest
import yaml


@pytest.fixture
def further(done):
    """Write a further config beside the tiny one, and name it on the command line."""
    path = done.folder / "further.yaml"

    def write(**changes):
        tiny = yaml.safe_load((done.folder / "tiny.yaml").read_text())
        path.write_text(yaml.safe_dump(tiny | {"experiment": "further", "seeds": [0]} | changes))
        return "--config", "also=[further.yaml]"

    yield write
    path.unlink()


def test_a_further_experiment_has_its_own_jobs_and_shares_the_store(done, further):
    planned = done.planned(*further())
    assert {name.split("_")[0] for name in planned} == {"further"}, "the first one is up to date"
    assert {"further_split_clients", "further_train_fedavg", "further_write_report"} <= set(planned)
    assert "further_build_store" not in planned


def test_a_named_target_covers_all_experiments(done, further):
    data = {"dataset": "glyphs62", "seed": 2, "writers": 16, "median_examples": 12}
    planned = done.planned("federated", *further(data=data))
    trained = dict.fromkeys(("train_fedavg", "train_stage2", "train_comparison"), 1)
    steps = trained | {"build_store": 1, "split_clients": 1}
    assert planned == {"federated": 1} | {f"further_{name}": n for name, n in steps.items()}
