"""Runs of the grid, of stage 2 and of the baselines: which a config asks for, and what differs
between them."""

import pytest

from perfedavg.config.load import load_config
from perfedavg.planning.runs import baseline_runs, grid_runs, reptile_kinds, stage2_runs
from perfedavg.runtime.errors import PerfedavgError
from tests.config.test_config import change, raw


def test_runs_are_the_grid_and_names_are_unique():
    config = load_config(raw())
    runs = grid_runs(config)
    assert len({run.run_id for run in runs}) == len(runs) == 2 * 4 * 3
    assert {(run.clients_per_round, run.local_epochs, run.seed) for run in runs} == {
        (m, e, s) for m in (5, 20) for e in (2, 5, 10, 20) for s in (0, 1, 2)
    }
    assert runs[0].evaluated_rounds == (5, 10, 15, 20, 25, 30, 35, 40)


def test_every_server_optimizer_of_stage_2_is_a_kind_with_a_name():
    servers = [{"optimizer": name} for name in ("sgd", "adam", "yogi", "adagrad")]
    servers += [{"optimizer": "sgd", "momentum": 0.0}, {"optimizer": "sgd", "nesterov": True}]
    kinds = reptile_kinds(load_config(change("studies.stage2.servers", servers)))
    assert list(kinds) == ["momentum", "adam", "yogi", "adagrad", "sgd", "nesterov"]
    assert {len(settings) for settings in kinds.values()} == {1}


def test_local_steps_make_runs_of_steps():
    config = change("training.local_epochs", None)
    config["training"]["local_steps"] = [10]
    runs = grid_runs(load_config(config))
    assert {(run.local_epochs, run.local_steps) for run in runs} == {(None, 10)}
    assert runs[0].run_id == "fedavg-m5-k10-s0"


def test_stage2_starts_from_the_reference_and_changes_one_thing_a_control():
    config = load_config(raw())
    runs = {run.variant: run for run in stage2_runs(config) if run.seed == 1}
    assert list(runs)[:2] == ["reptile-k10-adam-lr0.001-b0.9", "reptile-k10-adam-lr0.003-b0.9"]
    assert list(runs)[-3:] == ["continued", "e2", "rate-div10"]
    parent = next(run for run in grid_runs(config) if run.run_id == "fedavg-m20-e10-s1")
    same = {"dataset", "split", "clients_per_round", "seed", "model"}
    changed = {"continued": set(), "e2": {"local_epochs"}, "rate-div10": {"client"}}
    names = [
        "run_id",
        "setting",
        "study",
        "variant",
        "stage",
        "parent_run_id",
        "parent_rounds",
        "keeps_server_state",
        "rounds",
        "evaluated_rounds",
    ]
    for name, run in runs.items():
        assert (run.parent_run_id, run.parent_rounds, run.stage, run.rounds) == (
            parent.run_id,
            40,
            2,
            50,
        )
        assert run.evaluated_rounds == (45, 50)
        different = {
            key for key in type(run).model_fields if getattr(run, key) != getattr(parent, key)
        } - set(names)
        if name in changed:
            assert different == changed[name]
            assert run.keeps_server_state
        else:
            assert (run.algorithm, run.local_steps, run.local_epochs, run.keeps_server_state) == (
                "reptile",
                10,
                None,
                False,
            )
        assert not different & same
    assert runs["rate-div10"].client.lr == pytest.approx(0.005)
    assert {kind: len(settings) for kind, settings in reptile_kinds(config).items()} == {
        "adam": 2,
        "sgd": 1,
        "momentum": 1,
    }


def test_baselines_are_runs_of_every_seed():
    config = load_config(raw())
    assert [run.run_id for run in baseline_runs(config)] == [
        f"{name}-s{seed}"
        for name in ("centralized-best", "centralized-matched", "local-only")
        for seed in (0, 1, 2)
    ]
    bare = load_config(raw() | {"studies": {"reference": raw()["studies"]["reference"]}})
    assert baseline_runs(bare) == stage2_runs(bare) == []
    assert reptile_kinds(bare) == {}


def test_settings_of_the_grid_can_be_left_out():
    config = change("training.without", [{"clients_per_round": 20, "local_work": 20}])
    config["execution"] = {"pack": False}
    config["studies"]["reference"] = {"clients_per_round": 20, "local_work": 10}
    whole = {run.setting for run in grid_runs(load_config(raw()))}
    assert {run.setting for run in grid_runs(load_config(config))} == whole - {"fedavg-m20-e20"}


@pytest.mark.parametrize(
    ("out", "pack", "message"),
    [
        ((20, 10), False, "studies.reference is left out of the grid"),
        ((20, 20), True, "training.without needs one job per run"),
        ((20, 3), False, "20 clients per round with 3 local_epochs is not in the grid"),
    ],
)
def test_what_cannot_be_left_out_is_said(out, pack, message):
    left_out = {"clients_per_round": out[0], "local_work": out[1]}
    config = change("training.without", [left_out])
    config["execution"] = {"pack": pack}
    config["studies"]["reference"] = {"clients_per_round": 20, "local_work": 10}
    with pytest.raises(PerfedavgError, match=message):
        load_config(config)


def test_controls_of_stage_2_can_be_left_out():
    config = raw()
    config["studies"]["stage2"] |= {"control_work": None, "control_rate_divisor": None}
    controls = [run for run in stage2_runs(load_config(config)) if run.algorithm == "fedavg"]
    assert {run.variant for run in controls} == {"continued"}
