"""The workflow itself: killed at any moment and started again, and results that are damaged under
it. Minutes each, so the long run alone has them."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp

import psutil

from tests.data.published import as_tar, h5_files, make_writers
from tests.hostile.meeting import shaken
from tests.hostile.oracle import Group, WrongError, check_sentence
from tests.workflow.checkout import Checkout

CONFIG = """
experiment: tiny
seeds: [0]
data: {{ dataset: emnist62, archive: "{address}", sha256: {sha256} }}
split: {{ order: sorted, training_clients: 8, validation_clients: 3 }}
model: cnn_small
training:
  rounds: 60
  clients_per_round: [2, 4]
  local_epochs: [1]
  client: {{ lr: 0.05, batch_size: 5 }}
evaluation:
  every: 20
  intermediate_clients: 2
  target_accuracy: 0.05
  fine_tuning: {{ lr: 0.05, batch_size: 5, epochs: 2, shown_epochs: [1] }}
studies:
  reference: {{ clients_per_round: 4, local_work: 1 }}
"""
KILLS, SECONDS = 8, 600
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
TRACE = re.compile(
    r"^Traceback \(most recent call last\):\n.*?^(?:\w+\.)*\w+(?:Error|Exception|Interrupt)\b",
    re.M | re.S,
)
LEFT = ("**/.*.tmp", "data/.unpacked-*", "data/.parts-*", "data/downloads/tmp*", "**/*.part")


class Handler(BaseHTTPRequestHandler):
    """Serves the archive, in about three seconds, from where it is asked for."""

    content = b""

    def do_GET(self):
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0, 0])[1])
        rest = self.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        with suppress(OSError):
            for at in range(0, len(rest), len(self.content) // 30):
                self.wfile.write(rest[at : at + len(self.content) // 30])
                time.sleep(0.1)

    def log_message(self, *_):
        pass


@cache
def undisturbed():
    """The config's text, and a finished run of it with its time."""
    folder = Path(mkdtemp(prefix="hostile-"))
    writers = make_writers({f"f{n:04d}_{n:02d}": (6 + n % 5, 3) for n in range(16)})
    Handler.content = as_tar(folder / "a.tar.bz2", h5_files(writers)).read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/a.tar.bz2"
    sha256 = hashlib.sha256(Handler.content).hexdigest()
    checkout = Checkout(folder / "done")
    config = CONFIG.format(address=address, sha256=sha256)
    (checkout.folder / "tiny.yaml").write_text(config)
    began = time.monotonic()
    checkout.snakemake("--cores", "2")
    return config, checkout, time.monotonic() - began


def ended(checkout, run):
    """Wait for a run; what it said."""
    try:
        run.wait(SECONDS)
    except subprocess.TimeoutExpired:
        raise WrongError("it hangs") from None
    return (checkout.folder / "snakemake.log").read_text()


def kills(rng, folder, what):
    """Some kills at any moment, each followed by the same command: the undisturbed run's bytes."""
    config, done, seconds = undisturbed()
    checkout = Checkout(folder / "project")
    (checkout.folder / "tiny.yaml").write_text(config)
    told = []
    for _ in range(KILLS):
        number, whom = rng.choice(SIGNALS), rng.choice(["the run", "all", "a job"])
        wait = rng.uniform(2, 0.35 * seconds)
        told.append(f"{number.name} to {whom} after {wait:.0f} s")
        what[0] = ", ".join(told)
        run = checkout.start("--cores", "2", start_new_session=True)
        try:
            run.wait(wait)
            break  # it was faster
        except subprocess.TimeoutExpired:
            pass
        with suppress(OSError, psutil.Error):
            jobs = [p for p in psutil.Process(run.pid).children(recursive=True)
                    if "scripts/tmp" in " ".join(p.cmdline())]  # fmt: skip
            if whom == "all":
                os.killpg(run.pid, number)
            elif whom == "a job" and jobs:
                os.kill(rng.choice(jobs).pid, number)
            else:
                os.kill(run.pid, number)
        said = ended(checkout, run)
        if any(not before_a_line_of_ours(trace) for trace in TRACE.findall(said)):
            raise WrongError(f"a traceback: {said[-1500:]}")
    run = checkout.start("--cores", "2", start_new_session=True)
    said = ended(checkout, run)
    if run.returncode:
        raise WrongError(f"the same command does not go on: {said[-1500:]}")
    same_as(done, checkout)
    print(f"survived: {what[0]}", file=sys.stderr, flush=True)


def before_a_line_of_ours(trace):
    """Ctrl-C while Python imports Snakemake itself, where nothing of the project can meet it."""
    ours = "/perfedavg/" in trace or ".smk" in trace
    return trace.endswith("KeyboardInterrupt") and not ours


def same_as(done, checkout):
    """The bytes of the undisturbed run, no lock, no left-over."""
    mine, theirs = checkout.products(), done.products()
    differing = [n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n)]
    if differing:
        raise WrongError(f"other bytes: {sorted(differing)[:5]}")
    left = [p for pattern in LEFT for p in (checkout.folder / "results").glob(pattern)]
    locks = list((checkout.folder / ".snakemake/locks").glob("*"))
    owners = list((checkout.folder / ".snakemake/owners").glob("*"))
    if left or locks or owners:
        raise WrongError(f"left over: {[*left, *locks, *owners][:5]}")


ADVICE = re.compile(
    r"delete (?:the (?:file|folder) |it )?(results/\S+?)? ?and give the same command"
)


def advised(checkout, said):
    """What a failed run's message says is to be deleted."""
    errors = re.findall(r"^Error: (.*)$", said, re.MULTILINE)
    if not errors:
        raise WrongError(f"no sentence: {said[-1000:]}")
    check_sentence(errors[0], ["results/"])
    advice = ADVICE.search(errors[0])
    if not advice:
        raise WrongError(f"no advice: {errors[0]}")
    named = advice[1] or re.search(r"results/[^\s:;]+", errors[0])[0]
    if not (checkout.folder / named).exists():
        raise WrongError(f"what is to be deleted is not there: {errors[0]}")
    return named


def delete(checkout, names):
    """Do what the messages say."""
    for path in (checkout.folder / name for name in names):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def damage(rng, folder, what):
    """A file of finished results is damaged; following the messages leads back to its bytes."""
    _, done, _ = undisturbed()
    checkout = done.copy(folder / "project")
    root = checkout.folder / "results"
    names = sorted(
        n for n in checkout.products() if "/.sha256/" not in n and "/downloads/" not in n
    )
    file = root / rng.choice(names).lstrip("/")
    how = rng.choice(["shaken", "gone", "empty"])
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(shaken(rng, file.read_bytes())[0] if how == "shaken" else b"")
    what[0] = f"{file.relative_to(root)}, {how}"
    for _ in range(6):
        run = checkout.snakemake("--cores", "2", check=False)
        said = run.stdout + run.stderr
        if "Traceback (most recent call last)" in said:
            raise WrongError(f"a traceback: {said[-1500:]}")
        if run.returncode:
            told = [advised(checkout, said)]
        else:
            run = checkout.snakemake("--cores", "1", "verify", check=False)
            lines = re.findall(r"^(results/\S+) (?:is|has) (.*)$", run.stdout, re.MULTILINE)
            told = [name for name, _ in lines]
            if not run.returncode:
                break
        delete(checkout, told)
    same_as(done, checkout)


GROUPS = {"kills": Group(kills, 0, 10), "damaged results of a run": Group(damage, 0, 20)}
