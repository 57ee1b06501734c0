"""Results and saved states that somebody or a disk has damaged, without starting the workflow."""

import os
import shutil
from contextlib import chdir

import pandas as pd
import torch

from perfedavg.data.splits import split_clients, write_split
from perfedavg.data.store import ClientStore, write_store
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.records import check, record, verify
from perfedavg.storage.checkpoints import load_tensors, save_tensors
from perfedavg.storage.files import write_json
from perfedavg.training.resume import Resume
from tests.conftest import make_client
from tests.hostile.meeting import shaken
from tests.hostile.oracle import Group, WrongError, check_sentence, judge

STORE, RUN = "results/data/glyphs62-1", "results/e/runs/fedavg-m2-e1-s0"


def made(folder):
    """Results of a few steps and their records; gives the steps' outputs."""
    with chdir(folder):
        write_store(STORE, [make_client(i, 4, 2) for i in range(6)], 62, {"dataset": "glyphs62"})
        split = split_clients(ClientStore(STORE).client_ids(), "sorted", 3, 1, 0)
        write_split("results/e/split.csv", split)
        for n in (1, 2):
            tensors = {"weight": torch.full((3, 3), float(n))}
            save_tensors(f"{RUN}/checkpoints/round_{n}.safetensors", tensors, {"round": str(n)})
        write_json(f"{RUN}/run.json", {"run_id": "fedavg-m2-e1-s0", "status": "finished"})
        write_json("results/e/selection.json", {"setting": "fedavg-m2-e1", "epoch": 3})
        pd.DataFrame({"round": [1, 2], "loss": [0.5, 0.25]}).to_parquet(f"{RUN}/rounds.parquet")
        pd.DataFrame({"run_id": ["a"], "seed": [0]}).to_csv("results/e/runs.csv", index=False)
        outputs = [
            f"{STORE}/examples.arrow", f"{STORE}/clients.arrow", "results/e/split.csv",
            f"{RUN}/checkpoints", f"{RUN}/run.json", f"{RUN}/rounds.parquet",
            "results/e/selection.json", "results/e/runs.csv",
        ]  # fmt: skip
        record(outputs)
    return outputs


def result(rng, folder, what):
    """One file is changed, gone, empty, or another one's: named by `verify`, used by no step."""
    outputs = made(folder)
    with chdir(folder):
        output = rng.choice(outputs)
        file = output
        if os.path.isdir(output):
            file = f"{output}/{rng.choice(sorted(os.listdir(output)))}"
        how = rng.choice(["shaken", "shaken", "gone", "empty", "another", "a folder", "more"])
        with open(file, "rb") as opened:
            before = opened.read()
        if how == "shaken":
            content, how = shaken(rng, before)
            if content == before:
                return
            with open(file, "wb") as opened:
                opened.write(content)
        elif how == "another":
            other = rng.choice([o for o in outputs if o != output and os.path.isfile(o)])
            shutil.copy(other, file)
        elif how == "empty":
            open(file, "w").close()
        elif how == "more":
            file = f"{os.path.dirname(file)}/more.txt"
            open(file, "w").close()
        else:
            os.remove(file)
            if how == "a folder":
                os.mkdir(file)
        what[0] = f"{file}, {how}"
        root = "/".join(file.split("/")[:2])
        found = verify(type(folder)(root))
        if not any(line.startswith(file) for line in found):
            raise WrongError(f"verify names it not: {found}")
        if how == "more":
            return
        try:
            check([output])
        except PerfedavgError as error:
            check_sentence(str(error), [file])
            if f" {output} and give the same command again" not in str(error):
                raise WrongError(f"no advice on {output}: {error}") from None
        else:
            raise WrongError("a step reads it")


def state(rng, folder, what):
    """A saved state: what was saved, or nothing."""
    tensors = {"weight": torch.arange(12.0).reshape(3, 4), "bias": torch.ones(4)}
    progress = {"round": 7, "losses": [0.5, 0.25]}
    resume = Resume(folder / "run", ["facts"], __file__)
    resume.load()
    save_tensors(folder / "run/checkpoints/round_5.safetensors", {"w": torch.ones(2)}, {})
    resume.save(tensors, progress)
    file = rng.choice(sorted(p for p in (folder / "run").rglob("*") if p.is_file()))
    content, how = shaken(rng, file.read_bytes())
    what[0] = f"{file.name}, {how}"
    file.write_bytes(content)

    def right(loaded):
        if loaded is None:
            return not list((folder / "run").iterdir())
        same = {name: value.tolist() for name, value in loaded[0].items()}
        return loaded[1] == progress and same == {n: t.tolist() for n, t in tensors.items()}

    judge(lambda: Resume(folder / "run", ["facts"], __file__).load(), right=right)


def checkpoint(rng, folder, what):
    """A model without a record, as of another place: its values, or a sentence."""
    path = folder / "model.safetensors"
    save_tensors(path, {"weight": torch.arange(12.0)}, {"a": "b"})
    whole = path.read_bytes()
    content, how = shaken(rng, whole)
    what[0] = f"model, {how}"
    path.write_bytes(content)
    judge(lambda: load_tensors(path), (path,), right=lambda loaded: loaded[0].keys())


def any_result(rng, folder, what):
    """Any of these."""
    rng.choice([result, result, state, checkpoint])(rng, folder, what)


GROUPS = {"results and states": Group(any_result, 40, 200)}
