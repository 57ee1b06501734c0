"""A config error is one sentence with the key's path; every shipped config is valid; generated
files are in sync."""

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from perfedavg.config.docs import config_readme
from perfedavg.config.load import json_schema, load_config
from perfedavg.config.messages import MOVED
from perfedavg.data.sets import DATA_SETS
from perfedavg.runtime.errors import PerfedavgError

ROOT = Path(__file__).parents[2]
SETS = ", ".join(map(repr, DATA_SETS))
CONFIGS = [*sorted((ROOT / "config").glob("*.yaml")), ROOT / "tests/workflow/tiny.yaml"]
for name in ("claims", "paper_protocol"):  # no experiments
    CONFIGS.remove(ROOT / f"config/{name}.yaml")


def raw():
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


def change(path, value, **studies):
    config = raw()
    config["studies"] |= studies
    *parents, key = path.split(".")
    block = config
    for parent in parents:
        block = block.setdefault(parent, {})
    if value is None:
        del block[key]
    else:
        block[key] = value
    return config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_are_valid(path):
    load_config(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("trainig", {}, "Config key `trainig` is unknown; did you mean `training`?"),
        ("split.order", "any", "`split.order` is \"any\"; use one of 'sorted', 'shuffled'."),
        (
            "split.order",
            "sortd",
            "`split.order` is \"sortd\"; did you mean 'sorted'? Use one of 'sorted', 'shuffled'.",
        ),
        (
            "training.client.learning_rat",
            1,
            "`training.client.learning_rat` is unknown; valid keys here: batch_size,",
        ),
        (
            "training.client.batchsize",
            1,
            "Config key `training.client.batchsize` is unknown; did you mean `batch_size`?",
        ),
        (
            "training.server.momentun",
            0.9,
            "Config key `training.server.momentun` is unknown; did you mean `momentum`?",
        ),
        (
            "training.server.optimizer",
            "sdg",
            "Config key `training.server.optimizer` is \"sdg\"; use one of 'adagrad', 'adam'",
        ),
        (
            "training.server.optimizer",
            None,
            "Config key `training.server.optimizer` is missing; use one of",
        ),
        (
            "training.rounds",
            "many",
            'Config key `training.rounds` is "many", but input should be a valid integer',
        ),
        (
            "training.rounds",
            40.5,
            "Config key `training.rounds` is 40.5, but input should be a valid integer",
        ),
        (
            "evaluation.personalize_every",
            100,
            "evaluation.personalize_every (100) is above training.rounds (40)",
        ),
        (
            "training.rounds",
            True,
            "Config key `training.rounds` is true, but input should be a valid integer",
        ),
        (
            "training.client.lr",
            float("inf"),
            "`training.client.lr` is Infinity, but input should be a finite number",
        ),
        (
            "training.client.lr",
            1e308,
            "`training.client.lr` is 1e+308, but input should be less than",
        ),
        ("training.client.lr", float("nan"), "is NaN, but input should be a finite number"),
        ("training.rounds", 10**18, "but input should be less than or equal to 1000000"),
        ("split.seed", 1764059413000, "`split.seed` is 1764059413000, but input should be less"),
        ("seeds", [2**63], "`seeds[0]` is 9223372036854775808, but input should be less than"),
        ("experiment", 300 * "a", "but string should have at most 100 characters"),
        ("experiment", 7, "`experiment` is 7, but it should be text; write it in quotes, as in"),
        ("experiment", date(2024, 1, 1), '`experiment` is "2024-01-01", but it should be text'),
        ("training", 3, "Config key `training` is 3, but it should be a block of keys"),
        ("seeds", 3, "Config key `seeds` is 3, but it should be a list"),
        (
            "experiment",
            "data",
            "experiment: results/data/ holds the client stores; choose another name",
        ),
        (
            "evaluation.intermediate_clients",
            51,
            "intermediate_clients: 51 clients, but there are only 50 evaluation clients",
        ),
        (
            "training.rounds",
            0,
            "Config key `training.rounds` is 0, but input should be greater than 0",
        ),
        (
            "training.clients_per_round",
            [5, "x"],
            'Config key `training.clients_per_round[1]` is "x", but',
        ),
        (
            "training.local_steps",
            [3],
            "give exactly one of local_epochs and local_steps (both are given)",
        ),
        (
            "training.local_epochs",
            None,
            "give exactly one of local_epochs and local_steps (neither is given)",
        ),
        (
            "training.clients_per_round",
            [500],
            "500 clients per round, but split.training_clients is only 200",
        ),
        ("split.validation_clients", 80, "leave no evaluation client of glyphs62's 280"),
        ("evaluation.every", 41, "evaluation.every (41) is above training.rounds (40)"),
        (
            "evaluation.personalize_every",
            7,
            "personalize_every (7) must be a multiple of every (5)",
        ),
        (
            "evaluation.fine_tuning.shown_epochs",
            [11],
            "fine_tuning.shown_epochs: 11 is above fine_tuning.epochs (10)",
        ),
        ("seeds", [1, 1], "seeds: 1 is given twice"),
        ("evaluation", None, "Config key `evaluation` is missing; add it."),
        ("data.dataset", "emnist", f'Config key `data.dataset` is "emnist"; use one of {SETS}.'),
        ("experiment", "a b", "Config key `experiment` is"),
        (
            "studies.reference.local_work",
            3,
            "studies.reference.local_work: 3 is not in the grid, training.local_epochs: [",
        ),
        ("classes", 62, "Config key `classes` is unknown; it belongs in `data`."),
        ("split.tokens", 90, "Config key `split.tokens` is unknown; it belongs in `data`."),
        (
            "seed",
            1,
            "Config key `seed` is unknown; did you mean `seeds`, or does it belong in `data` or "
            "`split`?",
        ),
        (
            "studies.stage2.control_work",
            10,
            "studies.stage2.control_work (10) must be below studies.reference.local_work (10)",
        ),
        (
            "studies.stage2.every",
            21,
            "`studies.stage2` is impossible: every (21) is above rounds (10)",
        ),
        (
            "studies.stage2.servers",
            [{"optimizer": "adam"}] * 2,
            "servers: adam-lr0.001-b0.9 is given twice",
        ),
        (
            "studies.centralized.passes",
            0,
            "Config key `studies.centralized.passes` is 0, but input should be greater than 0",
        ),
        (
            "data",
            {"dataset": "emnist62", "sha256": "abc"},
            'Config key `data.sha256` is "abc", but',
        ),
        (
            "data",
            {"dataset": "emnist62", "archiv": "a"},
            "Config key `data.archiv` is unknown; did you mean `archive`?",
        ),
        (
            "data.archive",
            "a",
            "Config key `data.archive` is unknown; valid keys here: dataset, "
            "median_examples, seed, writers.",
        ),
        ("data.dataset", None, f"Config key `data.dataset` is missing; use one of {SETS}."),
        (
            "studies.stage2.servers",
            [{"optimizer": "adam", "lrr": 1}],
            "`studies.stage2.servers[0].lrr` is unknown; did you mean `lr`?",
        ),
        (
            "data",
            {"dataset": "emnist62", "archive": "s3://b/x"},
            '`data.archive` is "s3://b/x", but it should be a path',
        ),
        (
            "execution",
            {"backend": {"device": "cuda"}},
            "Config block `execution.backend` is impossible: `loop` "
            "computes on the CPU; device cuda needs",
        ),
        (
            "execution",
            {"backend": {"kind": "bached"}},
            "Config key `execution.backend.kind` is "
            "\"bached\"; did you mean 'batched'? Use one of 'loop', 'batched'.",
        ),
        (
            "evaluation.target_accuracy",
            80,
            "Config key `evaluation.target_accuracy` is 80, but input "
            "should be less than or equal to 1",
        ),
    ],
)
def test_config_errors_are_one_sentence_with_the_path(path, value, sentence):
    with pytest.raises(PerfedavgError) as error:
        load_config(change(path, value))
    message = str(error.value)
    assert sentence in message
    assert "\n" not in message, "one problem, one sentence"
    assert "\n" not in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("federated", "training"),
        ("stage2", "studies.stage2"),
        ("personalization", "evaluation.fine_tuning"),
        ("workers", "execution.workers"),
        ("training.pack", "execution.pack"),
        ("studies.comparison.relative_rates", "studies.comparison.server_lr_factors"),
    ],
)
def test_a_key_of_an_earlier_version_is_answered_by_its_new_name(old, new):
    with pytest.raises(PerfedavgError) as error:
        load_config(change(old, {}))
    assert str(error.value) == f"Config key `{old}` is now `{new}`; see config/README.md."


def test_every_key_that_moved_has_a_new_place():
    """The new names are keys: refused for their value, not as unknown."""
    for new in MOVED.values():
        with pytest.raises(PerfedavgError) as error:
            load_config(change(new, "nonsense"))
        assert "unknown" not in str(error.value), new


def test_values_from_the_command_line_arrive_as_text():
    """Snakemake reads the inside of `--config 'seeds=[0]'` as text."""
    config = change("seeds", ["0", "7"])
    config["studies"]["reference"] = {"clients_per_round": "5", "local_work": "3"}
    config["training"] |= {"local_epochs": "null", "local_steps": ["3"], "client": {"lr": "1e-3"}}
    config["execution"] = {"pack": "false"}
    config["studies"] |= {"stage2": "null", "theory": "null"}
    loaded = load_config(config)
    assert loaded.seeds == (0, 7)
    assert loaded.training.local_epochs is None
    assert (loaded.training.local_steps, loaded.execution.pack, loaded.training.client.lr) == (
        (3,),
        False,
        0.001,
    )


def test_the_last_round_is_always_evaluated():
    config = load_config(change("evaluation.every", 15, theory=None))
    assert config.evaluated_rounds == [15, 30, 40]


def test_every_key_of_the_default_config_has_a_comment():
    lines = (ROOT / "config/config.yaml").read_text().splitlines()
    keys = [line for line in lines if re.match(r" *[a-z_]+:", line) and "{" not in line]
    assert [line for line in keys if "#" not in line] == []


def test_generated_files_are_in_sync():
    assert (ROOT / "workflow/schemas/config.schema.json").read_text() == json_schema(), (
        "run `make schema`"
    )
    assert (ROOT / "config/README.md").read_text() == config_readme(), "run `make schema`"


def test_a_misspelled_required_key_is_one_sentence():
    config = change("training.rounds", None)
    config["training"]["runds"] = 40
    with pytest.raises(PerfedavgError) as error:
        load_config(config)
    assert str(error.value) == "Config key `training.runds` is unknown; did you mean `rounds`?"
