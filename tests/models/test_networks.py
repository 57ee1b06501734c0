"""The networks against torch's own layers."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from perfedavg.models import MODELS, kernels, num_parameters, shapes, trained_parameters
from perfedavg.models.dropout import keep_mask
from perfedavg.randomness import StreamKey, torch_stream

REFERENCES = {
    "cnn_small": lambda: nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=3),
        nn.ReLU(),
        PixelsFirst(),
        nn.Linear(512, 62),
    ),
    "cnn_emnist": lambda: nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Linear(128, 62),
    ),
}
REFERENCES["cnn_emnist_bf16"] = REFERENCES["cnn_emnist"]


def random_images(n):
    return np.random.default_rng(0).random((n, 28, 28), dtype=np.float32)


def random_labels(n):
    return torch.from_numpy(np.random.default_rng(1).integers(62, size=n))


class PixelsFirst(nn.Module):
    """Flatten with the channel as the fastest index, as cnn_small's dense layer reads it."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


@pytest.mark.parametrize("name", REFERENCES)
def test_logits_and_gradients_equal_torch_s_layers(name):
    model, reference = MODELS[name], REFERENCES[name]().double()
    parameters = [
        p.double().requires_grad_() for p in model.init(torch_stream(StreamKey(0, "test")))
    ]
    with torch.no_grad():
        for own, theirs in zip(parameters, reference.parameters(), strict=True):
            own.add_(torch.rand(own.shape, dtype=torch.float64) * 0.01)  # biases away from zero
            theirs.copy_(own)
    images = random_images(6)
    logits, expected = (
        model.logits(parameters, model.features(images).double(), None),
        reference(torch.from_numpy(images)[:, None].double()),
    )
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-12)
    weights = torch.rand_like(logits)
    gradients = torch.autograd.grad((logits * weights).sum(), parameters)
    expected = torch.autograd.grad((expected * weights).sum(), list(reference.parameters()))
    torch.testing.assert_close(gradients, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("batch", [1, 7, 20])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("name", REFERENCES)
def test_the_backward_pass_by_hand_equals_autograd(name, dropout, batch):
    """In float64; the same dropout draws, and as many of them."""
    model = MODELS[name]
    parameters = [p.double() + 0.01 for p in model.init(torch_stream(StreamKey(0, "test")))]
    features, labels = (model.features(random_images(batch)).double(), random_labels(batch))
    hand, auto = (torch_stream(StreamKey(1, "dropout")) if dropout else None for _ in range(2))
    leaves = [p.clone().requires_grad_() for p in parameters]
    expected_loss = nn.functional.cross_entropy(model.logits(leaves, features, auto), labels)
    expected = torch.autograd.grad(expected_loss, leaves)
    before = [p.clone() for p in (*parameters, features)]
    gradient, loss = model.gradient(parameters, features, labels, hand)
    torch.testing.assert_close(loss, expected_loss.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, list(expected), rtol=1e-9, atol=1e-13)
    assert all(torch.equal(p, q) for p, q in zip((*parameters, features), before, strict=True)), (
        "nothing given is changed"
    )
    assert not dropout or torch.equal(hand.get_state(), auto.get_state())


# Rounding also turns some ties of the max-pool, other ones on another processor. bfloat16 keeps 8
# bits: 0.4 % a rounding.
@pytest.mark.parametrize(
    ("name", "tolerance"), [("cnn_small", 1e-4), ("cnn_emnist", 1e-4), ("cnn_emnist_bf16", 0.1)]
)
def test_kernels_in_less_precision_equal_float64_up_to_rounding(name, tolerance):
    """They are others: oneDNN's, which know no float64."""
    model = MODELS[name]
    parameters = [p + 0.01 for p in model.init(torch_stream(StreamKey(0, "test")))]
    features, labels = model.features(random_images(20)), random_labels(20)
    gradient, loss = model.gradient(
        parameters, features, labels, torch_stream(StreamKey(1, "dropout"))
    )
    exact = model.gradient(
        [p.double() for p in parameters],
        features.double(),
        labels,
        torch_stream(StreamKey(1, "dropout")),
    )
    assert loss.item() == pytest.approx(exact[1].item(), rel=max(1e-5, tolerance / 100))
    for single, double in zip(gradient, exact[0], strict=True):
        assert single.dtype == torch.float32
        assert (single - double).norm() < tolerance * double.norm()
    assert tolerance < 1e-3 or any(
        (a - b).norm() > 1e-3 * b.norm() for a, b in zip(gradient, exact[0], strict=True)
    )


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("there", [True, False])
def test_a_dense_layer_where_onednn_has_none_is_the_same(monkeypatch, dtype, rounding, there):
    """bfloat16's takes AVX-512: without it training is slower, and no error."""
    monkeypatch.setitem(kernels._ONEDNN, dtype, there and kernels._ONEDNN[dtype])
    random = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(n, generator=random) for n in ((3, 50), (7, 50), (7,)))
    got = kernels.linear(*(value.to(dtype) for value in (x, weight, bias)))
    exact = x.double() @ weight.double().T + bias.double()
    assert got.dtype == dtype
    assert (got.double() - exact).norm() < rounding * exact.norm()


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [("cnn_emnist", 1_206_590, 62 * 129), ("cnn_small", 36_862, 62 * 513)],
)
def test_number_of_parameters(name, count, last):
    assert sum(p.numel() for p in MODELS[name].init(torch_stream(StreamKey(0, "test")))) == count
    assert num_parameters(name) == count
    assert trained_parameters(name, "last") == last
    assert trained_parameters(name, "all_but_last") == count - last


@pytest.mark.parametrize("name", MODELS)
def test_what_is_read_of_a_network_without_torch_is_the_network_s_own(name):
    assert shapes(name) == MODELS[name].shapes
    assert [tuple(p.shape) for p in MODELS[name].init(torch_stream(StreamKey(0, "x")))] == [
        *shapes(name).values()
    ]


def test_names_and_sizes_take_no_torch():
    code = (
        "import sys; from perfedavg.models import MODELS, num_parameters, takes; "
        "print({n: (num_parameters(n), takes(n)) for n in MODELS}, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = {
        "cnn_emnist": (1_206_590, "images"),
        "cnn_emnist_bf16": (1_206_590, "images"),
        "cnn_small": (36_862, "images"),
        "lstm_shakespeare": (820_522, "tokens"),
    }
    assert run.stdout.strip() == f"{expected} False"
    assert MODELS.get("steps") is None, "a file that is no network"


def test_initial_weights_are_glorot_uniform():
    parameters = MODELS["cnn_emnist"].named(
        MODELS["cnn_emnist"].init(torch_stream(StreamKey(0, "test")))
    )
    reference = torch.empty(64, 32, 3, 3)
    nn.init.xavier_uniform_(reference)
    weight = parameters["conv2.weight"]
    assert weight.abs().max() == pytest.approx((6 / (32 * 9 + 64 * 9)) ** 0.5, rel=1e-3)
    assert weight.std() == pytest.approx(reference.std().item(), rel=0.02)
    assert not parameters["conv2.bias"].any()


def test_given_masks_and_drawn_ones_give_the_same_bits():
    model, generator = MODELS["cnn_emnist"], torch_stream(StreamKey(0, "dropout"))
    parameters, x = model.init(torch_stream(StreamKey(0, "test"))), model.features(random_images(7))
    given = model.logits(parameters, x, lambda shape, p: keep_mask(shape, p, generator))
    assert torch.equal(given, model.logits(parameters, x, torch_stream(StreamKey(0, "dropout"))))


def test_dropout_is_on_with_a_generator_only_and_unbiased():
    model = MODELS["cnn_emnist"]
    parameters = model.init(torch_stream(StreamKey(0, "test")))
    x = model.features(random_images(1)).expand(300, -1, -1, -1)
    plain = model.logits(parameters, x[:1], None)
    assert torch.equal(plain, model.logits(parameters, x[:1], None))
    dropped = model.logits(parameters, x, torch_stream(StreamKey(0, "dropout")))
    again = model.logits(parameters, x, torch_stream(StreamKey(0, "dropout")))
    assert torch.equal(dropped, again)
    assert dropped.std(0).min() > 0, "every example has its own mask"
    # The same masks, drawn by hand, on torch's layers: one byte a value, kept from 256 * p on,
    # channels last.
    generator, layers = torch_stream(StreamKey(0, "dropout")), REFERENCES["cnn_emnist"]()
    with torch.no_grad():
        for own, theirs in zip(parameters, layers.parameters(), strict=True):
            theirs.copy_(own)
        h = layers[:5](x)
        mask = (
            random_bytes(h.numel(), generator).reshape(300, 12, 12, 64).transpose(0, 3, 1, 2) >= 64
        )
        assert mask.mean() == pytest.approx(0.75, abs=0.002)
        h = layers[5:8](h * torch.from_numpy(mask) / 0.75)
        mask = random_bytes(h.numel(), generator).reshape(h.shape) >= 128
        expected = layers[8](h * torch.from_numpy(mask) / 0.5)
    torch.testing.assert_close(dropped, expected, rtol=1e-4, atol=1e-5)


def random_bytes(count, generator):
    """All 256 values alike, eight of them from each 64-bit draw."""
    words = (
        torch.empty(count // 8, dtype=torch.int64)
        .random_(-(2**63), None, generator=generator)
        .numpy()
    )
    values = words.view(np.uint8)
    assert np.bincount(values, minlength=256).min() > 0
    return values
