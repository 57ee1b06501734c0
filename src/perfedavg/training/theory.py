"""The theory experiment (sections 2 and 6, claim C1): FedAvg's update against FedSGD's, FOMAML's
and MAML's on the same walks.

With equal weights and every term from the same local walk, the averaged deltas obey

    g_FedAvg(K) = g_FedSGD + sum_{j=1..K-1} g_FOMAML(j)

exactly. Here each term comes from a separate client update, in float64, at models along a reference
run, so that what is left of the difference is rounding. Two controls, in which one condition is
broken, show what the same measure says where the identity does not hold. Cosines and norm ratios
tell how the algorithms' averaged updates lie to each other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from perfedavg.algorithms.client import ClientUpdate, client_update
from perfedavg.algorithms.family import ALGORITHMS
from perfedavg.algorithms.federated import average
from perfedavg.algorithms.spec import RunSpec
from perfedavg.data.batches import local_batches
from perfedavg.data.store import ClientExamples, ClientStore
from perfedavg.models import MODELS, module
from perfedavg.models.model import Parameters
from perfedavg.models.steps import Examples, to_examples
from perfedavg.models.threads import use_one_thread
from perfedavg.randomness import (
    THEORY,
    THEORY_COHORT,
    THEORY_EPOCHS,
    THEORY_OTHER_BATCHES,
    StreamKey,
    stream,
    torch_stream,
)
from perfedavg.runtime.errors import PerfedavgError, reading
from perfedavg.runtime.job import Progress
from perfedavg.storage.checkpoints import anew, load_tensors, models_of
from perfedavg.storage.contracts import MEASURED
from perfedavg.storage.files import sha256_of
from perfedavg.storage.tables import write_table
from perfedavg.training.resume import Resume

logger = logging.getLogger("perfedavg")

FULL_BATCH, MINI_BATCH = "full-batch", "mini-batch"
COMPARED = ("fedsgd", "fomaml", "maml_printed", "maml", "reptile", "fedavg")
"""Whose averaged updates are compared, as FOMAML(K), MAML(K), Reptile(K) and FedAvg(E = K),
weighted by n_i."""

PAIRS = tuple(combinations(COMPARED, 2))

THEORY_MEASURED = {
    **MEASURED,
    **{f"cos_{a}_{b}": "float? -1..1" for a, b in PAIRS},
    **{f"norm_ratio_{a}_{b}": "float? 0.." for a, b in PAIRS},
}


@dataclass(frozen=True)
class TheoryClient:
    """One client of the cohort at one checkpoint, and the batches that it walks."""

    examples: Examples  # float64 features
    key: StreamKey  # of its dropout draws: walks over equal batches see equal ones
    batches: list[np.ndarray]  # [max_steps + 1]; every term of the identity walks a prefix
    others: list[np.ndarray]  # [max_steps + 1]; what the control with other batches walks instead
    # [max_steps]; the batches of 1, 2, ... local epochs; [] where an epoch is a step
    epochs: list[list[np.ndarray]]


def measure_theory(
    spec: RunSpec,
    checkpoints: str | Path,
    store: ClientStore,
    training_clients: Sequence[int],
    max_steps: int,
    clients: int,
    rounds: Sequence[int],
    path: str | Path,
    resume_folder: str | Path,
) -> None:
    """Write to ``path`` one row per (round, K, batches), K = 1..max_steps, at the models of one
    run.

    It can be resumed after every (round, batches).

    Args:
        checkpoints: the run's folder of ``round_<n>.safetensors``; rounds without one (after a
            divergence) give no rows.
        training_clients: store positions, of which ``clients`` are drawn anew in each of
            ``rounds``.

    Raises:
        PerfedavgError: a training client has no train example, or a model of a finished run is
            missing."""
    use_one_thread()
    files = models_of(checkpoints, sorted(rounds))
    for missing in sorted(set(rounds) - set(files)):
        text = "%s has no model of round %d (it diverged before): no rows"
        logger.warning(text, spec.run_id, missing)
    parts = [(n, batches) for n in files for batches in (FULL_BATCH, MINI_BATCH)]
    facts = [
        spec.model_dump(mode="json"),
        np.asarray(training_clients, dtype=np.int64),
        max_steps,
        clients,
        store.data_sha256,
        {n: sha256_of(file) for n, file in files.items()},
    ]
    model = MODELS[spec.model]
    folder = Path(resume_folder) / f"theory-{spec.run_id}"
    resume = Resume(folder, facts, __file__, module(spec.model))
    saved = resume.load()
    rows = saved[1]["rows"] if saved else []
    updates = [_num_updates(batches, max_steps) * clients for _, batches in parts]
    done = len(rows) // max_steps
    progress = Progress(f"{spec.run_id} theory", sum(updates), "update", done=sum(updates[:done]))
    for round_number, batches in parts[done:]:
        with reading(files[round_number], anew(files[round_number])):
            parameters = model.unnamed(load_tensors(files[round_number])[0])
        cohort = make_cohort(
            spec, round_number, store, training_clients, clients, batches, max_steps
        )
        part = {"round": round_number, "seed": spec.seed, "batches": batches}
        advance = partial(progress.advance, round=round_number, batches=batches)
        rows += [row | part for row in compare(spec, parameters, cohort, max_steps, advance)]
        resume.save({}, {"rows": rows})
    progress.close()
    write_table(THEORY_MEASURED, pd.DataFrame(rows, columns=list(THEORY_MEASURED)), path)
    resume.remove()


def make_cohort(
    spec: RunSpec,
    round_number: int,
    store: ClientStore,
    training_clients: Sequence[int],
    clients: int,
    batches: str,
    max_steps: int,
) -> list[TheoryClient]:
    """``clients`` of the training clients, in increasing order of position; the same ones for both
    kinds of ``batches``."""
    places = stream(StreamKey(spec.seed, THEORY_COHORT, round_number)).choice(
        len(training_clients), size=clients, replace=False
    )
    chosen = sorted(int(training_clients[place]) for place in places)
    return [_client(spec, round_number, store.client(i), batches, max_steps) for i in chosen]


def _client(
    spec: RunSpec, round_number: int, client: ClientExamples, batches: str, max_steps: int
) -> TheoryClient:
    if not len(client.train_y):
        raise PerfedavgError(
            f"Training client {client.client_id} has no train example; leave it out of the data."
        )
    examples = to_examples(MODELS[spec.model], client.train_x, client.train_y).to(torch.float64)
    n, steps = len(examples), max_steps + 1

    def rng(purpose: str) -> np.random.Generator:
        return stream(StreamKey(spec.seed, purpose, round_number, client.client_id))

    def draw(purpose: str, **amount: int) -> list[np.ndarray]:
        return local_batches(
            n, spec.client.batch_size, spec.client.shuffle_buffer, rng(purpose), **amount
        )

    key = StreamKey(spec.seed, THEORY, round_number, client.client_id)
    if batches == FULL_BATCH:
        # There is no other draw of all examples: the control walks a random half of them.
        half = rng(THEORY_OTHER_BATCHES).permutation(n)[: (n + 1) // 2]
        return TheoryClient(examples, key, [np.arange(n)] * steps, [half] * steps, [])
    epochs = [draw(THEORY_EPOCHS, epochs=k) for k in range(1, steps)]
    return TheoryClient(
        examples, key, draw(THEORY, steps=steps), draw(THEORY_OTHER_BATCHES, steps=steps), epochs
    )


def compare(
    spec: RunSpec,
    parameters: Parameters,
    cohort: Sequence[TheoryClient],
    max_steps: int,
    advance: Callable[[], None],
) -> list[dict[str, float]]:
    """Residuals, cosines and norm ratios for K = 1..max_steps; ``advance`` is called after every
    client update.

    ``parameters`` are turned into float64. Every update is computed once: FOMAML(j) serves as
    itself at K = j and as a term of the identity at all later K. No more than one update of each
    client is kept at a time."""
    model, start, lr = MODELS[spec.model], [p.double() for p in parameters], spec.client.lr

    def update(
        client: TheoryClient, name: str, weights: Sequence[float], batches: list[np.ndarray]
    ) -> ClientUpdate:
        draws, jacobian = torch_stream(client.key), ALGORITHMS[name].jacobian
        result = client_update(model, start, client.examples, batches, lr, weights, draws, jacobian)
        advance()
        return result

    def updates(name: str, k: int, walks: str = "batches") -> list[ClientUpdate]:
        weights = ALGORITHMS[name].weights(k)
        steps = len(weights)
        return [update(c, name, weights, getattr(c, walks)[:steps]) for c in cohort]

    def mean(name: str, k: int, walks: str = "batches") -> Tensor:
        return _mean(updates(name, k, walks), ALGORITHMS[name].averaging)

    def fedavg(epochs: int) -> Tensor:
        walks = [client.epochs[epochs - 1] for client in cohort]
        weights = [ALGORITHMS["fedavg"].weights(len(batches)) for batches in walks]
        clients = zip(cohort, weights, walks, strict=True)
        return _mean([update(c, "fedavg", w, b) for c, w, b in clients], "examples")

    fedsgd = mean("fedsgd", 1)
    # The identity's right-hand side, of K so far.
    right, right_of_others = fedsgd.clone(), mean("fedsgd", 1, "others")
    rows = []
    for k in range(1, max_steps + 1):
        steps = updates("fedavg", k)
        left, left_by_examples = _mean(steps, "equal"), _mean(steps, "examples")
        del steps  # as large as the cohort times the model
        fomaml = mean("fomaml", k)
        vectors = {
            "fedsgd": fedsgd,
            "fomaml": fomaml,
            "maml_printed": mean("maml_printed", k),
            "maml": mean("maml", k),
            "reptile": left,  # of K steps and equal weights it is FedAvg
            "fedavg": fedavg(k) if cohort[0].epochs else left_by_examples,
        }
        rows.append(
            {
                "k": k,
                "residual": _relative(left - right, left),
                "residual_other_batches": _relative(left - right_of_others, left),
                "residual_unequal_weights": _relative(left_by_examples - right, left_by_examples),
                **_angles_and_lengths(vectors),
            }
        )
        if k < max_steps:
            right += fomaml
            right_of_others += mean("fomaml", k, "others")
    return rows


def _num_updates(batches: str, max_steps: int) -> int:
    """How many updates :func:`compare` computes for a client: FedSGD's and five or six for every K;
    the control's take the place of its last."""
    return 1 + (5 if batches == FULL_BATCH else 6) * max_steps


def _mean(updates: Sequence[ClientUpdate], kind: str) -> Tensor:
    """The averaged delta as one vector ``[parameters]``."""
    return torch.cat([d.flatten() for d in average(updates, kind)])


def _relative(difference: Tensor, whole: Tensor) -> float:
    """||difference|| / ||whole||; nan where the latter is zero."""
    return (difference.norm() / whole.norm()).item() if whole.any() else float("nan")


def _angles_and_lengths(vectors: dict[str, Tensor]) -> dict[str, float]:
    """``cos_<a>_<b>`` and ``norm_ratio_<a>_<b>``, the norm of a by that of b, for every pair; nan
    where either is zero."""
    stacked = torch.stack(list(vectors.values()))
    products = (stacked @ stacked.T).numpy()
    norms = np.sqrt(products.diagonal())
    norms[norms == 0] = np.nan
    names = list(vectors)
    pairs = [(names.index(a), names.index(b), f"{a}_{b}") for a, b in PAIRS]
    measured = {}
    with np.errstate(invalid="ignore"):  # a walk that blew up: missing values
        for a, b, pair in pairs:
            cosine = np.clip(products[a, b] / norms[a] / norms[b], -1, 1)
            measured[f"cos_{pair}"] = float(cosine)
            measured[f"norm_ratio_{pair}"] = float(norms[a] / norms[b])
    return measured
