"""Checksums of what steps wrote, against `sha256sum`'s own format and hand-made damage."""

import hashlib
import os

import pytest

from perfedavg.runtime import records
from perfedavg.runtime.errors import PerfedavgError

ROOT = "results/e"


@pytest.fixture(autouse=True)
def written(tmp_path, monkeypatch):
    """A table, and a folder of two models."""
    monkeypatch.chdir(tmp_path)
    os.makedirs(f"{ROOT}/runs/a/models")
    for name, text in (("table.csv", "1,2\n"), ("runs/a/models/1", "one"), ("runs/a/models/2", "")):
        (tmp_path / ROOT / name).write_text(text)
    (tmp_path / ROOT / "runs/a/models/.snakemake_timestamp").touch()
    records.record([f"{ROOT}/table.csv", f"{ROOT}/runs/a/models", "elsewhere.txt"])
    return tmp_path / ROOT


def said(paths=(f"{ROOT}/table.csv", f"{ROOT}/runs/a/models", "elsewhere.txt")):
    try:
        records.check(paths)
    except PerfedavgError as error:
        return str(error)
    return ""


def test_records_are_in_the_format_of_sha256sum(written):
    assert (written / ".sha256/runs/a/models").read_text() == "".join(
        f"{hashlib.sha256(text).hexdigest()}  runs/a/models/{name}\n"
        for name, text in (("1", b"one"), ("2", b""))
    )
    assert said() == ""
    assert records.verify(written) == []


def test_damage_is_named_with_what_to_delete(written):
    (written / "table.csv").write_text("1,3\n")
    assert f"{ROOT}/table.csv is not what its step wrote" in said()
    assert f"delete the file {ROOT}/table.csv and give the same command again" in said()
    records.record([f"{ROOT}/table.csv"])
    (written / "runs/a/models/2").unlink()
    assert f"{ROOT}/runs/a/models/2 is missing" in said()
    assert f"delete the folder {ROOT}/runs/a/models and give" in said()
    (problem,) = records.verify(written)
    assert "models/2 is missing" in problem
    (written / "runs/a/models/2").touch()
    (written / "new.csv").touch()
    (written / "logs").mkdir()
    (written / "logs/a.log").touch()
    (problem,) = records.verify(written)
    assert "e/new.csv has no record" in problem
    assert records.verify(written, ("runs/",)) == []


def test_a_damaged_record_is_named(written):
    record = written / ".sha256/table.csv"
    whole = record.read_bytes()
    for bit in range(8 * len(whole)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        record.write_bytes(content)
        assert "table.csv" in "\n".join(records.verify(written))
