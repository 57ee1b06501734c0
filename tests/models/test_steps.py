"""Local steps and evaluation against torch's SGD, finite differences and numbers by hand."""

import numpy as np
import pytest
import torch

from perfedavg.data.batches import local_batches
from perfedavg.models import MODELS
from perfedavg.models.model import Examples
from perfedavg.models.steps import batch_gradient, evaluate, sgd_steps, to_examples, trainable_copy
from perfedavg.randomness import StreamKey, torch_stream
from tests.conftest import linear_model, make_client


def test_gradient_against_finite_differences():
    model = MODELS["cnn_small"]
    client = make_client(0)
    examples = to_examples(model, client.train_x, client.train_y).to(torch.float64)
    parameters = [p.double().requires_grad_() for p in model.init(torch_stream(StreamKey(0, "x")))]
    batch = np.array([0, 2, 2, 5])
    gradient, _ = batch_gradient(model, parameters, examples, batch, None)

    def loss(at):
        logits = model.logits(at, examples.features[batch], None)
        return torch.nn.functional.cross_entropy(logits, examples.labels[batch]).item()

    for which, index in (
        (0, (3, 0, 2, 2)),
        (2, (5, 1, 0, 2)),
        (4, (int(client.train_y[0]), 17)),
        (5, (int(client.train_y[2]),)),
    ):
        moved = []
        for sign in (1, -1):
            shifted = [p.detach().clone() for p in parameters]
            shifted[which][index] += sign * 1e-6
            moved.append(loss(shifted))
        assert gradient[which][index].item() == pytest.approx(
            (moved[0] - moved[1]) / 2e-6, rel=1e-5, abs=1e-9
        )


def test_steps_equal_torch_s_sgd_and_leave_the_original_alone():
    model = linear_model(784, 62)
    client = make_client(4, n_train=13)
    examples = to_examples(model, client.train_x, client.train_y)
    start = model.init(torch_stream(StreamKey(0, "x")))
    kept = [p.clone() for p in start]
    batches = local_batches(13, 5, 1000, np.random.default_rng(0), epochs=2)
    local = trainable_copy(start)
    for _ in sgd_steps(model, local, examples, batches, 0.3, None):
        pass
    theirs = [torch.nn.Parameter(p.clone()) for p in start]
    optimizer = torch.optim.SGD(theirs, lr=0.3)
    for batch in batches:
        optimizer.zero_grad()
        logits = examples.features[batch] @ theirs[0].T + theirs[1]
        torch.nn.functional.cross_entropy(logits, examples.labels[batch]).backward()
        optimizer.step()
    for own, other in zip(local, theirs, strict=True):
        torch.testing.assert_close(own.detach(), other.detach())
    assert all(torch.equal(a, b) for a, b in zip(start, kept, strict=True))
    assert not torch.equal(local[0], start[0])


def test_evaluate_counts_by_hand():
    model = linear_model(2, 3)
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    x = torch.tensor([[2.0, 1.0], [1.0, 3.0], [4.0, 0.0], [0.0, 1.0]])
    accuracy, loss = evaluate(
        model, [weight, torch.zeros(3)], Examples(x, torch.tensor([0, 1, 1, 1]))
    )
    assert accuracy == 0.75
    rows = [[2, 1, 0], [1, 3, 0], [4, 0, 0], [0, 1, 0]]
    by_hand = np.mean(
        [np.log(np.exp(r).sum()) - r[y] for r, y in zip(rows, [0, 1, 1, 1], strict=True)]
    )
    assert loss == pytest.approx(by_hand, rel=1e-6)
    assert np.isnan(
        evaluate(
            model, [weight, torch.zeros(3)], Examples(x[:0], torch.zeros(0, dtype=torch.int64))
        )
    ).all()


def test_a_model_that_blew_up_predicts_nothing():
    """argmax of nan is class 0; that must not count as knowing the digit 0."""
    examples = Examples(torch.ones(4, 2), torch.tensor([0, 0, 1, 2]))
    accuracy, loss = evaluate(
        linear_model(2, 3), [torch.full((3, 2), torch.nan), torch.zeros(3)], examples
    )
    assert accuracy == 0
    assert np.isnan(loss)


def test_grey_levels_become_fractions_of_255():
    model = linear_model(784, 62)
    grey = np.arange(256, dtype=np.uint8).repeat(49).reshape(16, 28, 28)
    features = to_examples(model, grey, np.zeros(16)).features
    assert torch.equal(features.flatten(), (torch.arange(256).float() / 255).repeat_interleave(49))
