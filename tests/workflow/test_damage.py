"""Damaged results are named, used by nobody, and made again by the advice that is given."""

import random
import re
import shutil

import pytest

from perfedavg.runtime.records import EXCEPTED, verify


def test_any_wrong_bit_is_named(done):
    """Thirty at random, of all files of the experiment that do not differ from run to run."""
    draw, folder = random.Random(0), done.folder / "results"
    files = [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size]
    fixed = re.compile(rf"/(logs|benchmarks)/|/({'|'.join(map(re.escape, EXCEPTED[2:]))})$")
    files = sorted(path for path in files if not fixed.search(str(path)))
    assert verify(folder / "tiny") == []
    for path in draw.choices(files, k=30):
        whole = path.read_bytes()
        content = bytearray(whole)
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        try:
            found = "\n".join(verify(folder / path.relative_to(folder).parts[0]))
        finally:
            path.write_bytes(whole)
        assert str(path) in found


def test_verify_names_what_is_changed_missing_and_stale(done, tmp_path):
    copy = done.copy(tmp_path / "copy")
    assert "Every file is what its step wrote" in copy.snakemake("--cores", "1", "verify").stdout
    (copy.results / "tables/table1.md").unlink()
    with open(copy.results / "runs.csv", "a") as file:
        file.write("\n")
    tiny = (copy.folder / "tiny.yaml").read_text()
    (copy.folder / "more.yaml").write_text(tiny.replace("experiment: tiny", "experiment: more"))
    with copy.edit("src/perfedavg/analysis/figures/rounds.py"):
        also = ("--config", "also=[more.yaml]")
        run = copy.snakemake("--cores", "1", "verify", *also, check=False)
    assert run.returncode
    assert "results/tiny/tables/table1.md is missing" in run.stdout
    assert "results/tiny/runs.csv is not what its step wrote" in run.stdout
    assert "results/tiny/figures/rounds.png is stale" in run.stdout
    assert "results/more/split.csv is stale or missing" in run.stdout, "of every experiment"


@pytest.mark.parametrize("damage", ["a checkpoint is gone", "a row of the split is gone"])
def test_what_a_step_reads_is_what_the_step_before_wrote(done, tmp_path, damage):
    """Otherwise a finished run would count as diverged, or fewer clients would be evaluated."""
    copy = done.copy(tmp_path / "copy")
    run = "fedavg-m4-e1-s0"
    rows = copy.results / f"personalization/{run}.parquet"
    rows.unlink()
    if damage == "a checkpoint is gone":
        told = f"results/tiny/runs/{run}/checkpoints"
        (copy.folder / told / "round_2.safetensors").unlink()
    else:
        told = "results/tiny/split.csv"
        text = (copy.folder / told).read_text()
        (copy.folder / told).write_text(text[: text.rindex("\n", 0, -1) + 1])
    command = ("--cores", "1", str(rows.relative_to(copy.folder)))
    stopped = copy.snakemake(*command, check=False)
    assert stopped.returncode
    assert re.search(rf"delete the (file|folder) {told} and give the same command", stopped.stderr)
    path = copy.folder / told
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    copy.snakemake(*command)
    assert rows.read_bytes() == (done.results / rows.relative_to(copy.results)).read_bytes()
