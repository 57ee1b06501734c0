"""A saved state is taken up by exactly the run that saved it."""

import numpy as np
import pytest
import torch

from perfedavg.training import resume as module
from perfedavg.training.resume import Resume

FACTS = {"lr": 0.1, "clients": np.arange(5)}


def make(folder, facts=FACTS, *modules):
    return Resume(folder / "run-s0", [facts], module.__file__, *modules)


def saved(folder):
    resume = make(folder)
    assert resume.load() is None
    (resume.folder / "checkpoints").mkdir()
    (resume.folder / "checkpoints/round_1.safetensors").write_text("model")
    resume.save({"parameter.0": torch.tensor([1.5, -0.1])}, {"rows": [{"loss": 0.1 + 0.2}]})


def test_what_was_saved_comes_back_bit_by_bit(tmp_path):
    saved(tmp_path)
    tensors, progress = make(tmp_path).load()
    assert torch.equal(tensors["parameter.0"], torch.tensor([1.5, -0.1]))
    assert progress == {"rows": [{"loss": 0.1 + 0.2}]}
    assert (tmp_path / "run-s0/checkpoints/round_1.safetensors").exists()


@pytest.mark.parametrize("change", ["facts", "clients", "module", "code", "packages"])
def test_anything_stale_goes(tmp_path, monkeypatch, caplog, change):
    saved(tmp_path)
    facts, modules = FACTS, []
    if change == "facts":
        facts = FACTS | {"lr": 0.2}
    elif change == "clients":
        facts = FACTS | {"clients": np.arange(1, 6)}
    elif change == "module":
        modules = ["perfedavg.execution.cohorts"]
    elif change == "code":
        monkeypatch.setattr(module, "source_fingerprint", lambda *files: "edited")
    else:
        monkeypatch.setattr(module, "package_versions", lambda: {"torch": "0"})
    with caplog.at_level("INFO", logger="perfedavg"):
        assert make(tmp_path, facts, *modules).load() is None
    assert "run-s0 starts anew" in caplog.text
    assert list((tmp_path / "run-s0").iterdir()) == []


@pytest.mark.parametrize("name", ["state.safetensors", "checkpoints/round_1.safetensors"])
def test_one_wrong_bit_starts_anew(tmp_path, caplog, name):
    """Anywhere in the state: of the tensors, of the progress, of the checksum itself."""
    saved(tmp_path)
    whole = (tmp_path / "run-s0" / name).read_bytes()
    for position in range(0, len(whole), 1 + len(whole) // 40):
        saved(tmp_path / "once")
        path = tmp_path / "once/run-s0" / name
        content = bytearray(path.read_bytes())
        content[position] ^= 1
        path.write_bytes(content)
        with caplog.at_level("INFO", logger="perfedavg"):
            assert make(tmp_path / "once").load() is None
        assert "run-s0 starts anew: its saved state" in caplog.text
        caplog.clear()


def test_what_was_written_after_the_state_goes(tmp_path):
    saved(tmp_path)
    for name in ("round_2.safetensors", ".round_2.safetensors.12.tmp"):
        (tmp_path / "run-s0/checkpoints" / name).write_text("later")
    resume = make(tmp_path)
    assert resume.load()
    resume.copy_checkpoints(tmp_path / "results")
    copied = (tmp_path / "results/checkpoints").iterdir()
    assert [path.name for path in copied] == ["round_1.safetensors"]


def test_a_stop_while_saving_leaves_the_state_before(tmp_path, monkeypatch):
    saved(tmp_path)

    def stop(*arguments):
        raise SystemExit(143)

    monkeypatch.setattr("perfedavg.storage.files.os.replace", stop)
    with pytest.raises(SystemExit):
        make(tmp_path).save({}, {"rows": []})
    assert make(tmp_path).load()[1] == {"rows": [{"loss": 0.1 + 0.2}]}


def test_a_save_is_due_after_a_minute(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    resume = make(tmp_path)
    for seconds, due in ((1030, False), (1061, True)):
        now[0] = seconds
        assert resume.is_due() == due
    resume.load()
    resume.save({}, {})
    assert not resume.is_due()


def test_results_take_the_place_of_older_ones(tmp_path):
    saved(tmp_path)
    runs = tmp_path / "runs"
    (runs / "checkpoints").mkdir(parents=True)
    (runs / "checkpoints/round_9.safetensors").write_text("older")
    resume = make(tmp_path)
    resume.copy_checkpoints(runs)
    assert [p.name for p in (runs / "checkpoints").iterdir()] == ["round_1.safetensors"]
    resume.remove()
    assert not resume.folder.exists()
