"""What would silently replace finished models of another configuration, and what is natural."""

import pytest

from perfedavg.planning.overwriting import refuse_overwriting
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.files import write_json
from tests.conftest import make_spec

CONFIG = {"data": {"dataset": "a", "archive": "x", "seed": 1}, "split": {"seed": 42}}
OTHER = {"data": CONFIG["data"] | {"seed": 2}}


@pytest.mark.parametrize(
    ("settings", "config", "said"),
    [
        ({}, {}, None),
        ({"client": {"lr": 0.2, "batch_size": 5}}, {}, "client.lr: 0.1 there, 0.2 now"),
        ({"rounds": 4, "evaluated_rounds": [2, 4]}, {}, "rounds: 3 there, 4 now"),
        ({"backend": {"kind": "batched"}}, {}, None),
        ({"run_id": "fedavg-m2-e1-s1", "seed": 1}, {}, None),
        ({}, {"split": {"seed": 7}}, "split.seed: 42 there, 7 now"),
        ({}, OTHER, "data.seed: 1 there, 2 now"),
        ({}, {"data": CONFIG["data"] | {"archive": "y"}}, None),
    ],
)
def test_only_another_configuration_of_a_finished_model_stops(tmp_path, settings, config, said):
    finished = make_spec().model_dump(mode="json")
    path = tmp_path / "runs/fedavg-m2-e1-s0/run.json"
    write_json(path, finished | {"status": "finished", "a_key_of_an_earlier_version": 1})
    write_json(tmp_path / "provenance.json", {"config": CONFIG})
    new = make_spec(**settings).model_dump(mode="json")
    planned = [(tmp_path / f"runs/{new['run_id']}/run.json", new)]
    if said is None:
        refuse_overwriting(tmp_path, planned, CONFIG | config)
        return
    with pytest.raises(PerfedavgError) as raised:
        refuse_overwriting(tmp_path, planned, CONFIG | config)
    assert f"as those in {path.parent} ({said})" in str(raised.value)
