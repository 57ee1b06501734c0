"""Networks that fit data of any size: against torch's own layers, in float64, alone and many
clients at once, and the Hessian-vector products of MAML."""

import numpy as np
import pytest
import torch
from torch import nn

from perfedavg.algorithms.federated import CohortClient, FederatedRun, loop
from perfedavg.execution.cohorts import StackedUpdates
from perfedavg.models import (
    MODELS,
    NAMES,
    Sizes,
    base,
    fitted,
    fitting,
    is_sized,
    misfit,
    num_parameters,
    shapes,
    sizes_in,
)
from perfedavg.models.steps import (
    batch_gradient,
    evaluate,
    hessian_vector_product,
    to_examples,
    trainable_copy,
)
from perfedavg.randomness import StreamKey, torch_stream
from tests.conftest import make_spec

NETWORKS = (
    "mlp@5,3",
    "cnn_any@7x12,3",
    "cnn_any@28x28,62",
    "lstm_any@6,4,9",
    "lstm_any@6,9,9,each",
)


def parameters(name):
    """Fresh ones, biases moved away from the kinks of ReLU."""
    noise = torch_stream(StreamKey(0, "noise"))
    fresh = MODELS[name].init(torch_stream(StreamKey(0, "x")))
    return [p.double() + 0.01 * torch.rand(p.shape, generator=noise).double() for p in fresh]


def data(name, n=11, seed=0):
    """Random examples and labels; of sequences, some are shorter."""
    sizes, rng = sizes_in(name), np.random.default_rng(seed)
    y = rng.integers(sizes.num_classes, size=(n, *sizes.label_shape))
    if "lstm" not in name:
        return rng.random((n, *sizes.example_shape)).astype(np.float32), y
    x = rng.integers(sizes.num_values - 1, size=(n, *sizes.example_shape))
    padding = np.arange(x.shape[1]) >= rng.integers(1, x.shape[1] + 1, n)[:, None]
    x[padding] = sizes.num_values - 1
    if sizes.label_shape:
        y[padding] = -1
    return x.astype(np.int32), y


def examples(name, n=11, seed=0):
    return to_examples(MODELS[name], *data(name, n, seed)).to(torch.float64)


def torch_s_own(name, x, p):
    """The logits by torch's layers."""
    if name.startswith("mlp"):
        layers = nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 3)).double()
    elif name.startswith("cnn"):
        layers = nn.Sequential(
            nn.Conv2d(1, 16, 5, 2, 2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 1, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(512, sizes_in(name).num_classes),
        ).double()
    else:
        return by_torch_s_lstm(name, x, p)
    for own, theirs in zip(p, layers.parameters(), strict=True):
        theirs.data.copy_(own)
    return layers(x)


def by_torch_s_lstm(name, x, p):
    """Packed, so that torch never sees padding."""
    lstm = nn.LSTM(8, 32, batch_first=True).double()
    lstm.weight_ih_l0.data.copy_(p[1])
    lstm.weight_hh_l0.data.copy_(p[2])
    lstm.bias_ih_l0.data.copy_(p[3])
    lstm.bias_hh_l0.data.zero_()
    lengths = (x != len(p[0]) - 1).sum(1)
    packed = nn.utils.rnn.pack_padded_sequence(
        p[0][x], lengths, batch_first=True, enforce_sorted=False
    )
    states, (last, _) = lstm(packed)
    if name.endswith("each"):
        states, _ = nn.utils.rnn.pad_packed_sequence(states, True, total_length=x.shape[1])
        return states @ p[4].T + p[5]
    return last[0] @ p[4].T + p[5]


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_torch_s(name):
    p = parameters(name)
    own = examples(name)
    logits, expected = (
        MODELS[name].logits(p, own.features, None),
        torch_s_own(name, own.features, p),
    )
    seen = own.labels >= 0
    torch.testing.assert_close(logits[seen], expected[seen], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in NETWORKS if "lstm" in name])
def test_padding_changes_nothing(name):
    p, own = parameters(name), examples(name)
    padding = own.features == len(p[0]) - 1
    with_other = [q.clone() for q in p]
    with_other[0][-1] += 7.0
    assert padding.any()
    batch = np.arange(11)
    expected, got = (
        batch_gradient(MODELS[name], trainable_copy(q), own, batch, None) for q in (p, with_other)
    )
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-15)
    assert not expected[0][0][-1].any(), "the padding's own embedding learns nothing"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_by_hand_is_autograd_s_and_hessians_are_its_derivative(name):
    model, own, batch = MODELS[name], examples(name), np.array([3, 0, 7, 7])
    theta = trainable_copy(parameters(name))
    gradient, loss = batch_gradient(model, theta, own, batch, None)
    by_autograd = model.mean_loss(model.logits(theta, own.features[batch], None), own.labels[batch])
    expected = torch.autograd.grad(by_autograd, theta)
    torch.testing.assert_close(gradient, list(expected), rtol=1e-9, atol=1e-13)
    assert loss.item() == pytest.approx(by_autograd.item(), rel=1e-12)

    direction = [torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) for p in theta]
    direction = [d.double() for d in direction]
    product = hessian_vector_product(model, theta, own, batch, direction, None)
    step, moved = 1e-8, []  # so small that no ReLU meets its kink
    for sign in (1, -1):
        there = trainable_copy([p + sign * step * d for p, d in zip(theta, direction, strict=True)])
        moved.append(batch_gradient(model, there, own, batch, None)[0])
    for got, plus, minus in zip(product, *moved, strict=True):
        difference = (plus - minus) / (2 * step)
        assert (got - difference).norm() <= 1e-4 * (1e-3 + difference.norm())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("algorithm", ["fedavg", "maml"])
def test_many_clients_at_once_are_the_loop_s(name, algorithm):
    work = (
        {"local_epochs": 1} if algorithm == "fedavg" else {"local_epochs": None, "local_steps": 2}
    )
    run = FederatedRun(make_spec(algorithm=algorithm, model=name, **work))
    cohort = [CohortClient(f"c{n}", examples(name, n, seed=n)) for n in (7, 1, 12)]
    start = parameters(name)
    got = StackedUpdates(torch.device("cpu"))(run, start, 2, cohort)
    for a, b in zip(got, loop(run, start, 2, cohort), strict=True):
        torch.testing.assert_close(a.delta, b.delta, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("name", NETWORKS)
def test_full_names_say_the_sizes(name):
    sizes = sizes_in(name)
    assert fitted(base(name), sizes) == name
    assert shapes(name) == MODELS[name].shapes
    assert [tuple(p.shape) for p in parameters(name)] == [*shapes(name).values()]
    assert num_parameters(name) == sum(p.numel() for p in parameters(name))
    assert MODELS.get(base(name)) is None, "without sizes it is no network"
    accuracy, _ = evaluate(MODELS[name], parameters(name), examples(name))
    assert 0 <= accuracy <= 1


def test_which_networks_fit():
    assert [name for name in NAMES if is_sized(name)] == ["cnn_any", "lstm_any", "mlp"]
    assert fitted("cnn_small", Sizes((28, 28), 62)) == "cnn_small"
    emnist = Sizes((28, 28), 62)
    assert fitting("images", emnist) == ["cnn_any", "cnn_emnist", "cnn_emnist_bf16", "cnn_small"]
    assert fitting("images", Sizes((28, 28), 63)) == fitting("images", Sizes((8, 8), 2))
    assert fitting("images", Sizes((8, 8), 2)) == ["cnn_any"]
    assert fitting("vectors", Sizes((5,), 2)) == ["mlp"]
    assert fitting("tokens", Sizes((5,), 2, 9)) == ["lstm_any"]
    per_position = fitting("tokens", Sizes((5,), 90, 90, (5,)))
    assert per_position == ["lstm_any", "lstm_shakespeare"]
    assert misfit("lstm_shakespeare", "tokens", Sizes((5,), 90, 91, (5,))) == "knows 90 token ids"
    assert misfit("cnn_small", "images", Sizes((8, 9), 2)) == "takes images of 28x28"
    assert misfit("cnn_small", "images", Sizes((28, 28), 63)) == "tells 62 classes apart"
    assert misfit("mlp", "images", emnist) == "takes vectors"
    assert misfit("cnn_small", "images", Sizes((28, 28), 10)) == ""
