"""fedjax's own federated averaging and EMNIST CNN, which is the same network, jit-compiled by jax.

There is no personalization row: fedjax has nothing that evaluates a client's model epoch by epoch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter

import numpy as np

from benchmarks.work import Work, features, initial_weights, round_result, train_data


def start(work: Work, threads: int, serve: Callable) -> None:
    """Serve rounds."""
    # jax takes as many threads as the process may use cores when it is imported.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax

    jax.tree_map = (
        jax.tree_util.tree_map
    )  # jax has dropped what fedjax's last release of 2023 calls
    import fedjax
    from fedjax.algorithms import fed_avg

    model = fedjax.models.emnist.create_conv_model(only_digits=False)
    algorithm = fed_avg.federated_averaging(
        fedjax.model_grad(model),
        fedjax.optimizers.sgd(work.lr),
        fedjax.optimizers.sgd(1.0),
        fedjax.ShuffleRepeatBatchHParams(batch_size=work.batch),
    )
    names = model.init(jax.random.PRNGKey(0))
    weights = _to_haiku(initial_weights(work))
    order = sorted(names, key=lambda name: ("linear" in name, len(name), name))
    params = {
        name: dict(zip(("w", "b"), weights[2 * i : 2 * i + 2], strict=True))
        for i, name in enumerate(order)
    }
    assert jax.tree_util.tree_map(np.shape, params) == jax.tree_util.tree_map(np.shape, dict(names))
    clients = []
    for i in range(work.clients):
        images, labels = train_data(work, i)
        clients.append(
            (
                i,
                fedjax.ClientDataset(
                    {"x": features(images)[..., None], "y": labels.astype(np.int32)}
                ),
            )
        )
    state, rounds = algorithm.init(jax.tree_util.tree_map(jax.numpy.asarray, params)), 0

    def one_round() -> dict[str, float]:
        nonlocal state, rounds
        before, rounds = state.params, rounds + 1
        began = perf_counter()
        keys = jax.random.split(jax.random.PRNGKey(rounds), work.clients)
        state, _ = algorithm.apply(
            state, [(i, data, key) for (i, data), key in zip(clients, keys, strict=True)]
        )
        jax.block_until_ready(state.params)
        result = round_result(work, began, 0)
        delta = jax.tree_util.tree_map(lambda a, b: a - b, before, state.params)
        return result | {"check": float(fedjax.tree_util.tree_l2_norm(delta))}

    serve({"round": one_round})


def _to_haiku(weights: list[np.ndarray]) -> list[np.ndarray]:
    """From torch's order of dimensions to haiku's, images channels-last."""
    conv1, bias1, conv2, bias2, dense1, bias3, dense2, bias4 = weights
    dense1 = dense1.reshape(128, 64, 12, 12).transpose(2, 3, 1, 0).reshape(9216, 128)
    return [
        conv1.transpose(2, 3, 1, 0),
        bias1,
        conv2.transpose(2, 3, 1, 0),
        bias2,
        dense1,
        bias3,
        dense2.T,
        bias4,
    ]
