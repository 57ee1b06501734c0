"""Small things that many tests need."""

import numpy as np
import pytest
import torch
from filelock import FileLock

from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.store import ClientExamples, ClientStore, write_store
from perfedavg.models.model import Model, grey_levels
from perfedavg.personalization.evaluate import one_by_one, personalize_run
from perfedavg.personalization.schedule import Visit
from tests.workflow.checkout import Checkout


def pytest_collection_modifyitems(items):
    """The tests that run the workflow take longest, so they come first."""
    items.sort(key=lambda item: not {"workflow", "slurm"} & set(item.path.parts))


@pytest.fixture(autouse=True)
def one_torch_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """A function: the folder of this name, which ``make`` fills once for all test processes."""

    def found(name, make):
        base = tmp_path_factory.getbasetemp()
        folder = (base if worker_id == "master" else base.parent) / name
        with FileLock(f"{folder}.lock"):
            if not (folder / "made").exists():
                folder.mkdir()
                make(folder)
                (folder / "made").touch()
        return folder

    return found


@pytest.fixture(scope="session")
def done(once, tmp_path_factory):
    """The tiny experiment, run on two cores, for all tests that leave it as it was. Each process
    has a copy."""

    def make(folder):
        checkout = Checkout(folder / "project")
        (folder / "said").write_text(checkout.snakemake("--cores", "2").stderr)

    folder = once("two-cores", make)
    checkout = Checkout.found(folder / "project").copy(tmp_path_factory.mktemp("done") / "project")
    checkout.said = (folder / "said").read_text()
    return checkout


def make_spec(**changes):
    """A small run; ``changes`` replace values."""
    values = {
        "run_id": "fedavg-m2-e1-s0",
        "setting": "fedavg-m2-e1",
        "dataset": "test",
        "split": "sorted",
        "algorithm": "fedavg",
        "clients_per_round": 2,
        "local_epochs": 1,
        "client": {"lr": 0.1, "batch_size": 5},
        "server": {"optimizer": "sgd", "lr": 1.0, "momentum": 0.9},
        "seed": 0,
        "rounds": 3,
        "evaluated_rounds": [2, 3],
        "model": "cnn_small",
    }
    return RunSpec(**(values | changes))


def linear_model(inputs, classes):
    """Softmax regression on flat features: its gradient is known in closed form."""
    return Model(
        shapes={"weight": (classes, inputs), "bias": (classes,)},
        features=lambda images: grey_levels(images).flatten(1),
        logits=lambda p, x, dropout: x @ p[0].T + p[1],
    )


def make_client(number, n_train=7, n_test=4, dtype=np.uint8):
    rng = np.random.default_rng(number)
    x = rng.integers(0, 256, (n_train + n_test, 28, 28))
    x = x.astype(np.uint8) if dtype == np.uint8 else (x / 255).astype(dtype)
    y = rng.integers(0, 62, n_train + n_test)
    return ClientExamples(f"c{number:02d}", x[:n_train], y[:n_train], x[n_train:], y[n_train:])


@pytest.fixture
def store(tmp_path):
    """Twelve clients of different sizes."""
    clients = [make_client(i, n_train=3 + i) for i in range(12)]
    write_store(tmp_path / "store", clients, 62, {"dataset": "glyphs62"})
    return ClientStore(tmp_path / "store")


def personalize(spec, checkpoints, store, clients, settings, tuned, back_end=one_by_one):
    """Rows of evaluation clients by round, with fine-tuning in the ``tuned`` ones."""
    visits = [Visit(n, "evaluation", str(n), n in tuned) for n in clients]
    positions = {("evaluation", str(n)): clients[n] for n in clients}
    return personalize_run(spec, checkpoints, store, visits, positions, settings, back_end)
