"""Every reader of a file of results meets that file damaged, where no checksum speaks for it."""

import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from perfedavg.analysis import agreement, report
from perfedavg.analysis.choices import EQUAL_GRADIENTS, EQUAL_ROUNDS, Selection, ServerRates
from perfedavg.analysis.claims.__main__ import load
from perfedavg.analysis.inputs import INPUTS
from perfedavg.analysis.runs import RUNS, read_runs, write_runs_table
from perfedavg.data.checksums import _remembered
from perfedavg.data.sets.table import _cached
from perfedavg.data.splits import read_group, split_clients, write_split
from perfedavg.data.store import ClientStore, write_store
from perfedavg.personalization.evaluate import PERSONALIZATION, personalize_runs
from perfedavg.personalization.schedule import Visit
from perfedavg.personalization.settings import Personalization, Run
from perfedavg.planning.overwriting import refuse_overwriting
from perfedavg.planning.workload import size_of_store
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.storage.checkpoints import models_of
from perfedavg.storage.contracts import MEASURED, PASSES, ROUNDS
from perfedavg.storage.files import read_json, write_json
from perfedavg.storage.tables import spec_of, write_table
from perfedavg.training.federated import train_runs
from perfedavg.training.theory import measure_theory
from tests.conftest import make_client, make_spec
from tests.hostile.meeting import shaken
from tests.hostile.oracle import Group, judge

RUN = "runs/fedavg-m2-e1-s0"
MODEL = f"{RUN}/checkpoints/round_3.safetensors"
EARLIER = "personalization/fedavg-m2-e1-s0.parquet"
EVERY_WAY = [Personalization(lr=0.1, batch_size=5, epochs=1)]


def made_up(contract, **values):
    """A table of two rows that a contract allows."""
    plain = {"str": "a", "int": 1, "float": 0.5}
    row = {name: plain[spec_of(spec).split()[0].rstrip("?")] for name, spec in contract.items()}
    return pd.DataFrame([row | values] * 2)


@cache
def whole():
    """A folder with a file of every kind."""
    folder = Path(mkdtemp(prefix="hostile-"))
    write_store(folder / "store", [make_client(i) for i in range(6)], 62, {"dataset": "glyphs62"})
    store = ClientStore(folder / "store")
    write_split(folder / "split.csv", split_clients(store.client_ids(), "sorted", 3, 1, 0))
    train_runs([make_spec()], store, [0, 1, 2], [3], folder / "runs", folder / "resume")
    for name, contract, values in (
        ("rounds.parquet", ROUNDS, {}),
        (EARLIER, PERSONALIZATION, {"client_group": "validation"}),
        ("personalization/best.parquet", PERSONALIZATION, {"client_group": "evaluation"}),
        ("theory/a.parquet", MEASURED, {}),
        ("runs/centralized-s1/passes.parquet", PASSES, {}),
        ("runs.csv", RUNS, {"run_id": "best", "algorithm": "centralized", "variant": "best"}),
    ):
        write_table(contract, made_up(contract, **values), folder / name)
    Selection(2, {"a": None}, None, None, {}).save(folder / "selection.json")
    chosen = {EQUAL_ROUNDS: None, EQUAL_GRADIENTS: None}
    rates = {"rounds": 1, "budget": 2.0, "entries": {"maml": {"rounds": [1], **chosen}}}
    write_json(folder / "algorithms.json", rates)
    write_json(folder / "selection.json", read_json(folder / "selection.json") | {"settings": {}})
    config = {"experiment": "e", "data": {"dataset": "glyphs62"}, "studies": {"reference": None}}
    config["training"] = {"clients_per_round": [2], "local_epochs": [1]}
    facts = {"git_commit": "abc", "data_sha256": "0" * 64, "packages": {"torch": "2"}}
    facts["machine"] = {"python": "3", "processor": "any", "cores": 2}
    write_json(folder / "provenance.json", {**facts, "config": config})
    (folder / "tables").mkdir()
    (folder / "tables/a.md").write_text("About. **Caveat.**\n\n| a |\n|---|\n| 1 |\n")
    (folder / "figures").mkdir()
    (folder / "figures/a.svg").write_text("<dc:description>So.</dc:description>")
    write_json(folder / "facts.json", {"sums": ["a"]})
    return folder


def all_clients(folder):
    """Read a store to the end."""
    store = ClientStore(folder)
    return [store.client(i) for i in range(len(store))], store.label_counts(), size_of_store(folder)


def continued(folder):
    """A run of stage 2 that starts from the one that is there."""
    parent = {"run_id": "later-s0", "stage": 2, "parent_run_id": "fedavg-m2-e1-s0"}
    spec = make_spec(**parent, parent_rounds=3, rounds=4, evaluated_rounds=[4])
    store = ClientStore(folder / "store")
    train_runs([spec], store, [0, 1, 2], [3], folder / "runs", folder / "resume")


def personalized(folder, earlier=None):
    """Rows of one client at the last round."""
    spec = make_spec().model_dump()
    run = Run(**{name: spec[name] for name in Run.model_fields if name in spec})
    visits = [Visit(3, "validation", "all", True)]
    inputs = [ClientStore(folder / "store"), {("validation", "all"): [3]}, EVERY_WAY]
    files = {"all_files": [folder / "rows.parquet"], "earlier_files": earlier and [earlier]}
    personalize_runs([run], [visits], [folder / RUN / "checkpoints"], *inputs, **files)


def theory(folder):
    """The theory experiment at the last round."""
    where = [folder / "theory.parquet", folder / "resume"]
    store = ClientStore(folder / "store")
    measure_theory(make_spec(), folder / RUN / "checkpoints", store, [0, 1, 2], 1, 2, [3], *where)


def models(folder):
    """The models of a run, one of which is not there: finished or not is in its facts."""
    try:
        models_of(folder / RUN / "checkpoints", [9])
    except PerfedavgError as error:
        if "although its run has finished" not in str(error):
            raise


def page(folder, kind):
    """A table or a figure as the page shows it; its other files are no matter."""
    if kind == "table":
        return report._read_table(folder / "tables/a.md")
    for form in ("csv", "pdf"):
        (folder / f"figures/a.{form}").touch()
    return report._shown({"kind": "figure", "name": "a", "image": "svg"}, folder)


def overwritten(folder):
    """What is damaged there is nothing to be kept."""
    planned = [(str(folder / RUN / "run.json"), read_json(whole() / RUN / "run.json"))]
    config = {"data": {"dataset": "glyphs62"}, "split": {}}
    with suppress(KeyError):
        refuse_overwriting(folder, planned, config)


def claims(folder):
    """The check of the verdicts from the command line; made-up runs have no reference."""
    with suppress(IndexError):
        load(folder)


def product(name, file):
    """An input of products."""
    return file, lambda folder: INPUTS[name]([folder / file])


READERS = {
    "a group": ("split.csv", lambda folder: read_group(folder / "split.csv", "training")),
    "split of products": product("split", "split.csv"),
    "runs": product("runs", "runs.csv"),
    "caveat": product("caveat", "runs.csv"),
    "agreement: runs": ("runs.csv", agreement.load),
    "claims: runs": ("runs.csv", claims),
    "selection": product("selection", "selection.json"),
    "claims: selection": ("selection.json", claims),
    "rates": product("server_rates", "algorithms.json"),
    "rates of a step": ("algorithms.json", lambda f: ServerRates.load(f / "algorithms.json")),
    "runs.csv": (
        f"{RUN}/run.json",
        lambda folder: write_runs_table([folder / RUN / "run.json"], "", folder / "made.csv"),
    ),
    "selection of runs": (f"{RUN}/run.json", lambda f: read_runs([f / RUN / "run.json"])),
    "models": (f"{RUN}/run.json", models),
    "stage 2: facts": (f"{RUN}/run.json", continued),
    "stage 2: model": (f"{RUN}/model.safetensors", continued),
    "stage 2: server": (f"{RUN}/server.safetensors", continued),
    "commit": product("registered", f"{RUN}/model.safetensors"),
    "personalization": (MODEL, personalized),
    "theory": (MODEL, theory),
    "earlier rows": (EARLIER, lambda folder: personalized(folder, folder / EARLIER)),
    "rows": product("evaluation", EARLIER),
    "validation rows": product("grid_validation", EARLIER),
    "rounds": product("comparison_rounds", "rounds.parquet"),
    "rounds of stage 2": product("stage2_rounds", "rounds.parquet"),
    "measured": product("theory_rows", "theory/a.parquet"),
    "agreement: rows": ("personalization/best.parquet", agreement.load),
    "agreement: passes": ("runs/centralized-s1/passes.parquet", agreement.load),
    "provenance": ("provenance.json", lambda f: report._provenance(f / "provenance.json")),
    "claims: provenance": ("provenance.json", claims),
    "table": ("tables/a.md", lambda folder: page(folder, "table")),
    "figure": ("figures/a.svg", lambda folder: page(folder, "figure")),
    "examples": ("store/examples.arrow", lambda folder: all_clients(folder / "store")),
    "clients": ("store/clients.arrow", lambda folder: all_clients(folder / "store")),
}
FORGIVING = {
    "sums": ("facts.json", lambda folder: _remembered(folder / "facts.json")),
    "facts": ("facts.json", lambda folder: _cached(folder / "facts.json")),
    "overwriting": (f"{RUN}/run.json", overwritten),
    "overwriting: provenance": ("provenance.json", overwritten),
}
"""What takes a damaged file for none."""

DAMAGE = {
    "cut": lambda content, other: content[: len(content) * 2 // 3],
    "empty": lambda content, other: b"",
    "another file": lambda content, other: other,
    "UTF-16": lambda content, other: content.decode("latin-1").encode("utf-16"),
    "NUL bytes": lambda content, other: bytes(len(content)),
}
OTHERS = {
    ".csv": b"a,b\n1,2\n",
    ".json": b'[{"a": 1}]\n',
    ".md": b"no table\n",
    ".svg": b"\xff\xfe",
}
READABLE = {*(("figure", how) for how in ("cut", "empty", "NUL bytes")), ("commit", "another file")}
"""Of a drawing all but its answer is taken as it is; all files of a run name the commit."""


def another(file):
    """A whole file of the same kind with other contents."""
    kind = Path(file).suffix
    if kind in OTHERS:
        return OTHERS[kind]
    other = {".parquet": "rounds.parquet", ".arrow": "store/clients.arrow"}.get(kind)
    if other == file:
        other = EARLIER if kind == ".parquet" else "store/examples.arrow"
    of_run = "model" if "server" in file else "server"
    return (whole() / (other or f"{RUN}/{of_run}.safetensors")).read_bytes()


def read(name, folder, content):
    """A reader meets its file with this content; gives the place that a message must name."""
    file, call = (READERS | FORGIVING)[name]
    shutil.copytree(whole(), folder, dirs_exist_ok=True)
    path = folder / file
    path.write_bytes(content)
    # A store is named as a whole; so is a run whose damage reads as another configuration.
    whole_folder = path.suffix == ".arrow" or name == "overwriting"
    place = path.parent if whole_folder else path
    return lambda: call(folder), (place,)


def reader(rng, folder, what):
    """Bytes that are changed anywhere: read as something, or a sentence."""
    name = rng.choice(sorted(READERS | FORGIVING))
    content, how = shaken(rng, (whole() / (READERS | FORGIVING)[name][0]).read_bytes())
    what[0] = f"{name}, {how}"
    judge(*read(name, folder, content), right=lambda result: True)


GROUPS = {"readers of results": Group(reader, 20, 500)}
