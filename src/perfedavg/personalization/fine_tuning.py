"""Personalization: fine-tune the initial model on a held-out client's train split, test on its test
split.

Accuracy and loss after every fine-tune epoch 0..epochs are kept for every client; epoch 0 is the
initial model. Fine-tuning uses the client optimizer of training (SGD) or Adam, on all layers or on
some of them, with dropout on; each epoch is a fresh permutation, so that accuracy "after epoch k"
is defined."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from perfedavg.data.batches import epoch_batches
from perfedavg.models.model import Model, Parameters
from perfedavg.models.steps import Examples, batch_gradient, evaluate, sgd_steps, trainable_copy
from perfedavg.personalization.settings import Personalization
from perfedavg.randomness import StreamKey, stream, torch_stream


def fine_tune(
    model: Model,
    parameters: Parameters,
    train: Examples,
    test: Examples,
    settings: Personalization,
    key: StreamKey,
    epochs: int,
) -> np.ndarray:
    """Accuracy and loss on ``test`` after 0..epochs epochs of fine-tuning on ``train``: float64
    ``[epochs + 1, 2]``.

    ``parameters`` are left as they were. ``key`` names the random streams. A client without train
    examples keeps the initial model; one without test examples gets nan."""
    models = personalized_models(model, parameters, train, settings, key, epochs)
    return np.array([evaluate(model, local, test) for local in models], dtype=np.float64)


def personalized_models(
    model: Model,
    parameters: Parameters,
    train: Examples,
    settings: Personalization,
    key: StreamKey,
    epochs: int,
) -> Iterator[Parameters]:
    """The client's own model after 0..epochs epochs: always the same tensors, the trained ones
    changed **in place**.

    Batches and dropout depend on ``key`` alone, not on what is trained or how, so ways to
    personalize differ in nothing else. Adam is torch's, bias-corrected, with its defaults but for
    the learning rate; every client starts with fresh moments and keeps them over its epochs."""
    local = [p.detach() for p in parameters]
    local[settings.trained] = trained = trainable_copy(parameters[settings.trained])
    adam = None
    if settings.optimizer == "adam":  # fused takes a third to a tenth of the time
        adam = torch.optim.Adam(trained, settings.lr, fused=True)
    rng, dropout = stream(key), torch_stream(key)
    yield local
    for _ in range(epochs):
        batches = epoch_batches(len(train), settings.batch_size, rng)
        if adam:
            for batch in batches:
                gradient, _ = batch_gradient(model, local, train, batch, dropout)
                # Fused Adam reads memory in order, whatever the strides.
                for p, g in zip(trained, gradient, strict=True):
                    p.grad = g.contiguous()
                adam.step()
        else:
            for _ in sgd_steps(model, local, train, batches, settings.lr, dropout):
                pass
        yield local
