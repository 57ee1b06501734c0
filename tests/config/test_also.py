"""Further experiments of the same call."""

import pytest
import yaml

from perfedavg.config.load import load_config, load_further
from perfedavg.runtime.errors import PerfedavgError
from tests.config.test_config import change, raw


def other(tmp_path, name, text=None, **changes):
    """A further config file; its path."""
    path = tmp_path / name
    path.write_text(yaml.safe_dump(raw() | changes) if text is None else text)
    return str(path)


def test_further_experiments_are_read_with_their_own_values(tmp_path):
    files = [other(tmp_path, f"{n}.yaml", experiment=n, also=[]) for n in ("one", "two")]
    further = load_further(load_config(change("also", files)))
    assert [experiment.config.experiment for experiment in further] == ["one", "two"]
    assert further[0].raw["data"] == raw()["data"]
    assert load_further(load_config(change("also", []))) == []


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("same", {"also": []}, "same (named by `also`) and the first config are both experiment"),
        ("nests", {"experiment": "x"}, "nests is named by `also` and names others itself; list"),
        ("wrong", {"seeds": [], "also": [], "experiment": "x"}, "wrong: Config key `seeds` is []"),
        ("text", {"text": "some words"}, "text (named by `also`) holds no config"),
        ("broken", {"text": "a: [1"}, "broken (named by `also`) is not YAML (while parsing"),
    ],
)
def test_errors_of_further_configs_name_the_file_in_one_sentence(tmp_path, name, values, sentence):
    with pytest.raises(PerfedavgError) as error:
        load_further(load_config(change("also", [other(tmp_path, name, **values)])))
    assert str(error.value).startswith(f"{tmp_path}/{sentence}")
    assert "\n" not in str(error.value)


def test_a_further_config_that_is_missing_or_named_twice(tmp_path):
    with pytest.raises(
        PerfedavgError, match=r"config file nope.yaml \(named by `also`\) cannot be"
    ):
        load_further(load_config(change("also", ["nope.yaml"])))
    with pytest.raises(PerfedavgError, match=r"also: b.yaml is given twice"):
        load_config(change("also", ["b.yaml", "b.yaml"]))
    twice = [other(tmp_path, f"{n}.yaml", experiment="x", also=[]) for n in "ab"]
    with pytest.raises(PerfedavgError, match=r"b.yaml .* and .*/a.yaml are both experiment `x`"):
        load_further(load_config(change("also", twice)))
