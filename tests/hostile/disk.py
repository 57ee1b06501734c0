"""A disk that is really full: the results lie on a small file system of their own, a tmpfs in a
mount namespace, and a step of the workflow runs out of room there. Linux, and root.

As a program it is what runs in the namespace: ``python -m tests.hostile.disk FOLDER FREE
OUTPUT...`` leaves ``first.log``, ``first.json``, ``second.log`` and the results beside them."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.hostile.damage import finished
from tests.hostile.oracle import Group, WrongError, check_sentence
from tests.workflow.checkout import NOT_COMPARED, ROOT

MAKES = {
    "the store": ["data/*/*.arrow"],
    "a split": ["tiny/split.csv"],
    "training": ["tiny/runs/fedavg-m*-s0/*.safetensors", "tiny/runs/fedavg-m*-s0/*.parquet"],
    "centralized training": ["tiny/runs/centralized-s0/passes.parquet"],
    "personalization": ["tiny/personalization/fedavg-m2-*.parquet"],
    "the theory": ["tiny/theory/*.parquet"],
    "selection": ["tiny/selection.json"],
    "runs": ["tiny/runs.csv"],
    "a table": ["tiny/tables/table1.*"],
    "a figure": ["tiny/figures/rounds.*"],
    "the page": ["tiny/report.html"],
}
"""What a step makes, below ``results``."""


@cache
def refused():
    """Why there is no such file system here; empty where there is one."""
    if not sys.platform.startswith("linux") or os.geteuid():
        return "a file system of one's own takes Linux and root"
    script = "mount -t tmpfs -o size=64k tmpfs /mnt && ! head -c 99999 /dev/zero > /mnt/a"
    try:
        run = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    except OSError as error:
        return f"no unshare: {error}"
    return f"no mount in a namespace: {run.stderr}" if run.returncode else ""


def inside(folder, free, outputs):
    """In the namespace: the step with ``free`` bytes, and once more with room."""
    results = folder / "results"
    kept = folder / "kept"
    results.rename(kept)
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    subprocess.run([*mount, "size=1g", "tmpfs", str(results)], check=True)
    shutil.copytree(kept, results, symlinks=True, dirs_exist_ok=True)
    stat = os.statvfs(results)
    used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    subprocess.run([*mount, f"remount,size={used + free}", "tmpfs", str(results)], check=True)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *outputs]
    command += ["--configfile", "tiny.yaml"]
    for name in ("first", "second"):
        with open(folder / f"{name}.log", "w") as log:
            run = subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False)
        there = {
            str(p.relative_to(results)): p.stat().st_size
            for p in results.rglob("*") if p.is_file()
        }  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps({"code": run.returncode, "files": there}))
        subprocess.run([*mount, "remount,size=1g", "tmpfs", str(results)], check=True)
    shutil.rmtree(kept)
    shutil.copytree(results, kept, symlinks=True)


def full(rng, folder, what, kind=None, done=None):
    """A step meets the end of the disk: a sentence and nothing half-written; with room, its
    bytes. Whether it did meet it."""
    if why := refused():
        print(f"a full disk is left out: {why}", file=sys.stderr)
        return False
    done = done or finished()
    kind = kind or rng.choice(sorted(MAKES))
    made = sorted(p for m in MAKES[kind] for p in (done.folder / "results").glob(m))
    size = sum(p.stat().st_size for p in made)
    free = rng.randrange(size // 2)
    what[0] = f"{kind}, {free} of {size} bytes"
    checkout = done.copy(folder / "project")
    outputs = [str(p.relative_to(done.folder)) for p in made]
    for output in outputs:
        (checkout.folder / output).unlink()
    command = ["unshare", "-m", sys.executable, "-m", "tests.hostile.disk"]
    run = subprocess.run(
        [*command, str(checkout.folder), str(free), *outputs],
        cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    if run.returncode:
        raise WrongError(f"the trial itself: {run.stderr[-600:]}")
    return judge_full(done, checkout)


def judge_full(done, checkout):
    """What both runs left."""
    first, second = (json.loads((checkout.folder / f"{n}.json").read_text())
                     for n in ("first", "second"))  # fmt: skip
    said = (checkout.folder / "first.log").read_text()
    if "Traceback (most recent call last)" in said:
        raise WrongError(f"a traceback: {said[-1500:]}")
    whole = {name.lstrip("/"): len(content) for name, content in done.products().items()}
    if first["code"]:
        errors = re.findall(r"^Error: (.*)$", said, re.MULTILINE)
        if not errors:
            raise WrongError(f"no sentence: {said[-1000:]}")
        check_sentence(errors[0], ["No space left on device; make room on the disk"])
        half = [
            name
            for name, length in first["files"].items()
            if not NOT_COMPARED.search(f"/{name}") and whole.get(name) != length
            and "/.resume/" not in f"/{name}"
        ]  # fmt: skip
        if half:
            raise WrongError(f"half-written: {half[:5]}")
    elif "Nothing to be done" in said:
        raise WrongError("the step did not run")
    if second["code"]:
        text = (checkout.folder / "second.log").read_text()
        raise WrongError(f"with room, the same command does not go on: {text[-1000:]}")
    kept = checkout.folder / "kept"
    shutil.rmtree(checkout.folder / "results")
    kept.rename(checkout.folder / "results")
    mine, theirs = checkout.products(), done.products()
    if differing := [n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n)]:
        raise WrongError(f"other bytes: {sorted(differing)[:5]}")
    return bool(first["code"])


GROUPS = {"a full disk": Group(full, 0, 22)}

if __name__ == "__main__":
    inside(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
