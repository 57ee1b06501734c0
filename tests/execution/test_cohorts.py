"""The batched back end against the loop: the same draws, the same numbers up to rounding, and no
client in another's way."""

from dataclasses import replace
from itertools import chain, product

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from perfedavg.algorithms.family import ALGORITHMS, Algorithm
from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState, loop
from perfedavg.algorithms.spec import Backend
from perfedavg.execution import cohorts, stacked
from perfedavg.execution.cohorts import StackedUpdates, training_back_end
from perfedavg.execution.stacked import full_precision, torch_device
from perfedavg.execution.workers import WorkerUpdates
from perfedavg.models import MODELS
from perfedavg.models.dropout import inverted_dropout as dropped
from perfedavg.models.model import Model, grey_levels
from perfedavg.models.steps import Examples, to_examples
from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.pool import Pool
from perfedavg.storage.checkpoints import load_tensors
from perfedavg.training.federated import train_runs
from tests.conftest import make_client, make_spec

CPU = torch.device("cpu")
STACKED = StackedUpdates(CPU)
# Sums in another order differ by some float32 roundings of 6e-8; seen: 7e-7 of a delta's norm at
# most, 1e-14 in float64.
TOLERANCE = {torch.float32: 5e-6, torch.float64: 1e-10}
STEPS = {"local_epochs": None, "local_steps": 3}
WORK = {
    "fedsgd": {"algorithm": "fedsgd", "local_epochs": None},
    "fedavg of epochs": {"algorithm": "fedavg", "local_epochs": 2},
    "fedavg of steps": {"algorithm": "fedavg", **STEPS},
    "reptile": {"algorithm": "reptile", **STEPS},
    "fomaml": {"algorithm": "fomaml", **STEPS},
    "maml": {"algorithm": "maml", **STEPS},
    "maml_printed": {"algorithm": "maml_printed", **STEPS},
    "weighted": {"algorithm": "weighted", "local_epochs": None, "weights": [1, 0, -0.5, 2]},
}
SIZES = (
    7,
    1,
    12,
    5,
)  # with two epochs in batches of 5: steps of 5, 5, 4; of 2; of 5, 5, 5, 5, 4; of 5, 5


# Small, with two dropout layers of different shapes; cnn_small has none.
DROPOUT = Model(
    shapes={
        "hidden.weight": (9, 784),
        "hidden.bias": (9,),
        "out.weight": (62, 9),
        "out.bias": (62,),
    },
    features=lambda images: grey_levels(images).flatten(1),
    logits=lambda p, x, d: F.linear(
        dropped(F.linear(dropped(x, 0.5, d), p[0], p[1]).tanh(), 0.25, d), p[2], p[3]
    ),
)


def make_run(model="dropout", dtype=torch.float64, sizes=SIZES, **changes):
    """A run, its initial parameters and a cohort of clients of these sizes."""
    run = FederatedRun(make_spec(model="cnn_small" if model == "dropout" else model, **changes))
    run.model = MODELS.get(model, DROPOUT)
    clients = [make_client(i, n_train=n) for i, n in enumerate(sizes)]
    examples = [to_examples(run.model, c.train_x, c.train_y) for c in clients]
    cohort = [
        CohortClient(c.client_id, Examples(e.features.to(dtype), e.labels))
        for c, e in zip(clients, examples, strict=True)
    ]
    return run, [p.to(dtype) for p in run.init().parameters], cohort


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


def assert_close(got, expected, tolerance):
    """Two lists of updates: every delta within ``tolerance`` of its norm, and of its largest value;
    the same batches."""
    for a, b in zip(got, expected, strict=True):
        difference, whole = flat(a.delta) - flat(b.delta), flat(b.delta)
        assert difference.norm() <= tolerance * whole.norm()
        assert difference.abs().max() <= tolerance * whole.abs().max()
        np.testing.assert_allclose(a.losses, b.losses, rtol=tolerance)
        assert (a.num_examples, a.num_gradients, a.num_hessian_products) == (
            b.num_examples,
            b.num_gradients,
            b.num_hessian_products,
        )
        assert a.batch_labels.tolist() == b.batch_labels.tolist()
        assert a.losses.dtype == b.losses.dtype


CASES = [
    *(
        (work, model, dtype)
        for work in WORK
        for model, dtype in (("cnn_small", torch.float32), ("dropout", torch.float64))
    ),
    *(("fedavg of epochs", "cnn_emnist", dtype) for dtype in TOLERANCE),
    ("maml", "cnn_emnist", torch.float32),
]


@pytest.mark.parametrize(("work", "model", "dtype"), CASES)
def test_every_client_gets_what_the_loop_gives_it(work, model, dtype):
    run, parameters, cohort = make_run(model, dtype, **WORK[work])
    before = [p.clone() for p in parameters]
    got, expected = (STACKED(run, parameters, 3, cohort), loop(run, parameters, 3, cohort))
    assert_close(got, expected, TOLERANCE[dtype])
    assert all(torch.equal(a, b) for a, b in zip(parameters, before, strict=True))
    assert len({update.num_gradients for update in got}) == (4 if work == "fedavg of epochs" else 1)


def test_a_client_gets_the_same_alone_and_among_others():
    """Also one that has fewer examples than a batch; and the global model is left alone where it is
    not copied for several."""
    run, parameters, cohort = make_run(local_epochs=2)
    before = [p.clone() for p in parameters]
    among = STACKED(run, parameters, 3, cohort)
    alone = [STACKED(run, parameters, 3, [client])[0] for client in cohort]
    assert_close(alone, among, 1e-10)
    assert_close(STACKED(run, parameters, 3, cohort[::-1])[::-1], among, 1e-10)
    assert all(torch.equal(a, b) for a, b in zip(parameters, before, strict=True))
    assert among[1].batch_labels.tolist() == [2]


@pytest.mark.parametrize("value", [float("nan"), 1e300])
@pytest.mark.parametrize("work", ["fedavg of epochs", "maml"])
def test_neither_padding_nor_another_client_s_numbers_leak(work, value):
    """Padding points to the first example of the client with the most steps, which holds nothing
    but ``value`` here."""
    run, parameters, cohort = make_run("cnn_small", sizes=(7, 1, 12, 3), **WORK[work])
    cohort[2] = CohortClient(
        "c02",
        Examples(torch.full_like(cohort[2].examples.features, value), cohort[2].examples.labels),
    )
    got, expected = (back(run, parameters, 1, cohort) for back in (STACKED, loop))
    assert not flat(got[2].delta).isfinite().all()
    assert_close([got[i] for i in (0, 1, 3)], [expected[i] for i in (0, 1, 3)], 1e-10)


def test_weights_may_differ_from_client_to_client_within_a_step(monkeypatch):
    monkeypatch.setitem(
        ALGORITHMS, "fedavg", Algorithm(lambda k: [j / k for j in range(k)], "equal")
    )
    run, parameters, cohort = make_run("cnn_small", local_epochs=2)
    assert_close(STACKED(run, parameters, 1, cohort), loop(run, parameters, 1, cohort), 1e-10)


def train(store, folder, spec):
    """The rounds and the last model."""
    with Pool(1) as pool:
        back_end = training_back_end(spec.backend, pool, store)
        train_runs([spec], store, range(8), [8, 9], folder / "runs", folder / "resume", back_end)
    model, _ = load_tensors(folder / "runs" / spec.run_id / "model.safetensors")
    return pd.read_parquet(folder / "runs" / spec.run_id / "rounds.parquet"), model


def test_a_whole_run_follows_the_loop_s(store, tmp_path):
    """A schedule of two stages, the second on Hessian-vector products. (Not by Adam: it turns
    roundings of gradients that are almost zero into whole steps.)"""
    values = make_spec().model_dump(exclude={"then"})
    server = {"optimizer": "sgd", "lr": 1.0, "momentum": 0.9}
    later = {
        "algorithm": "maml",
        **STEPS,
        "client": values["client"],
        "server": server,
        "first_round": 4,
    }
    changes = {
        "model": "cnn_small",
        "clients_per_round": 5,
        "local_epochs": 3,
        "rounds": 5,
        "evaluated_rounds": [5],
    }
    spec = make_spec(**changes, then=[later])
    rounds, model = train(store, tmp_path / "loop", spec)
    batched_rounds, batched_model = train(
        store, tmp_path / "batched", spec.model_copy(update={"backend": Backend(kind="batched")})
    )
    numbers = ["train_loss", "update_norm"]
    pd.testing.assert_frame_equal(
        batched_rounds.drop(columns=numbers), rounds.drop(columns=numbers)
    )
    np.testing.assert_allclose(batched_rounds[numbers], rounds[numbers], rtol=1e-5)
    for name, expected in model.items():
        torch.testing.assert_close(batched_model[name], expected, rtol=0, atol=1e-5)
    assert any(
        not torch.equal(batched_model[name], expected) for name, expected in model.items()
    ), "another back end ran"


class Devices(TorchDispatchMode):
    """Which devices meet in each operation, those of the backward passes too."""

    def __init__(self):
        super().__init__()
        self.met = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        devices = {
            t.device.type for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)
        }
        self.met.append((str(func), devices))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("work", ["fedavg of epochs", "maml", "weighted"])
@pytest.mark.parametrize("model", ["cnn_small", "cnn_emnist"])
def test_on_a_device_without_values_a_round_runs_to_its_end(model, work, monkeypatch):
    """In place of a GPU: a `meta` tensor has no values, so whatever reads one, and would make the
    host wait, fails. No operation takes tensors of both devices, and what is sent ahead grows with
    the steps by the dropout masks alone."""
    sent, fetched = [], []

    def send(tensor, device):
        sent.append(tensor.dtype)
        return tensor.to(device)

    def fetch(losses):
        fetched.extend(losses)
        return [np.zeros(len(loss)) for loss in losses]

    for module, name, function in (
        (cohorts, "send", send),
        (stacked, "send", send),
        (cohorts, "fetch", fetch),
    ):
        monkeypatch.setattr(module, name, function)
    run, parameters, cohort = make_run(model, torch.float32, **WORK[work])
    with Devices() as watch:
        updates = StackedUpdates(torch.device("meta"))(run, parameters, 1, cohort)
    assert [func for func, devices in watch.met if len(devices) > 1] == []
    assert sum(devices == {"meta"} for _, devices in watch.met) > 20 * len(fetched)
    assert {t.device.type for t in chain(fetched, *(update.delta for update in updates))} == {
        "meta"
    }
    layers = 2 if model == "cnn_emnist" else 0
    assert sent.count(torch.bool) == layers * len(fetched)
    assert len(sent) - sent.count(torch.bool) == len(parameters) + 4


def test_what_comes_from_a_gpu_is_float32_and_the_same_every_time():
    flags = torch.backends.cudnn
    before = flags.allow_tf32, flags.deterministic
    with full_precision(torch.device("cuda")):
        assert (flags.allow_tf32, flags.deterministic, flags.enabled) == (False, True, True)
    assert (flags.allow_tf32, flags.deterministic) == before


def test_the_back_end_that_a_block_names(store):
    with Pool(1) as pool, Pool(2) as pool_of_two:
        assert training_back_end(Backend(), pool, store) is loop
        assert isinstance(training_back_end(Backend(), pool_of_two, store), WorkerUpdates)
        batched = Backend(kind="batched")
        assert training_back_end(batched, pool_of_two, store) == StackedUpdates(CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_sentence(store):
    with pytest.raises(
        PerfedavgError,
        match=r"`execution.backend.device` is cuda, but torch finds no GPU .*; set it to cpu",
    ):
        training_back_end(Backend(kind="batched", device="cuda"), None, store)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_what_the_loop_gives():
    on_gpu = StackedUpdates(torch_device(Backend(kind="batched", device="cuda")))
    for work, model, dtype in product(WORK, ["cnn_small", "cnn_emnist"], TOLERANCE):
        run, parameters, cohort = make_run(model, dtype, **WORK[work])
        got, again = (on_gpu(run, parameters, 3, cohort) for _ in range(2))
        assert all(
            torch.equal(flat(a.delta), flat(b.delta)) for a, b in zip(got, again, strict=True)
        )
        on_cpu = [replace(update, delta=[d.cpu() for d in update.delta]) for update in got]
        assert_close(on_cpu, loop(run, parameters, 3, cohort), TOLERANCE[dtype])
        state, _ = run.round(
            ServerState(parameters, run.spec.server.init(parameters)), 3, cohort, on_gpu
        )
        assert {t.device.type for t in [*state.parameters, *state.optimizer]} == {"cpu"}
