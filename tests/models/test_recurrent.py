"""Next-token networks against torch's own LSTM, loops written out and Hessian matrices."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from perfedavg.algorithms.client import client_update
from perfedavg.algorithms.family import ALGORITHMS
from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState
from perfedavg.execution.stacked import all_examples, evaluate_clients
from perfedavg.models import MODELS, recurrent
from perfedavg.models.model import Examples, Model
from perfedavg.models.steps import batch_gradient, evaluate, hessian_vector_product, trainable_copy
from perfedavg.randomness import StreamKey, torch_stream
from tests.conftest import make_spec

TOKENS, LENGTH = 7, 6
SHAPES = {
    "embedding.weight": (TOKENS, 3),
    "lstm1.input.weight": (16, 3),
    "lstm1.hidden.weight": (16, 4),
    "lstm1.bias": (16,),
    "lstm2.input.weight": (16, 4),
    "lstm2.hidden.weight": (16, 4),
    "lstm2.bias": (16,),
    "dense.weight": (TOKENS, 4),
    "dense.bias": (TOKENS,),
}
SMALL = Model(
    SHAPES,
    recurrent.features,
    recurrent.logits,
    recurrent.gradient,
    partial(recurrent.initialize, SHAPES),
    recurrent.predict,
)
RATE = 0.5


class Torch(nn.Module):
    """The same network of torch's layers; one of its two biases stays zero."""

    def __init__(self, tokens=TOKENS, embedding=3, hidden=4):
        super().__init__()
        self.embedding = nn.Embedding(tokens, embedding)
        self.lstm = nn.LSTM(embedding, hidden, 2, batch_first=True)
        self.dense = nn.Linear(hidden, tokens)

    @property
    def ours(self):
        lstm = self.lstm
        return [
            self.embedding.weight,
            *(lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0),
            *(lstm.weight_ih_l1, lstm.weight_hh_l1, lstm.bias_ih_l1),
            *self.dense.parameters(),
        ]

    def load(self, parameters):
        with torch.no_grad():
            for name in ("bias_hh_l0", "bias_hh_l1"):
                getattr(self.lstm, name).zero_()
            for theirs, own in zip(self.ours, parameters, strict=True):
                theirs.copy_(own)
        return self

    def forward(self, x):
        return self.dense(self.lstm(self.embedding(x))[0])


def parameters(model=SMALL, dtype=torch.float64):
    rng = torch.Generator().manual_seed(1)
    start = model.init(torch_stream(StreamKey(0, "test")))
    return [(p + 0.2 * torch.randn(p.shape, generator=rng)).to(dtype) for p in start]


def examples(lengths, tokens=TOKENS, length=LENGTH, seed=0):
    """Sequences with that many labels, padded."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(1, tokens, size=(2, len(lengths), length))
    for row, used in enumerate(lengths):
        x[row, used:], y[row, used:] = 0, -100
    return Examples(torch.from_numpy(x), torch.from_numpy(y))


def test_the_standard_network_and_its_step_are_torch_s():
    model = MODELS["lstm_shakespeare"]
    theta = model.init(torch_stream(StreamKey(0, "test")))
    assert sum(p.numel() for p in theta) == 820_522, "Reddi et al., table of models"
    theirs, batch = Torch(90, 8, 256).load(theta), examples((80, 33, 61, 5), 90, 80)
    logits = theirs(batch.features)
    torch.testing.assert_close(model.logits(theta, batch.features, None), logits, rtol=0, atol=1e-5)
    loss = nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.labels.flatten(), ignore_index=-100
    )
    expected = torch.autograd.grad(loss, theirs.ours)
    gradient, step_loss = batch_gradient(
        model, trainable_copy(theta), batch, np.arange(4), dropout=None
    )
    assert step_loss.item() == pytest.approx(loss.item(), rel=1e-6)
    for own, other in zip(gradient, expected, strict=True):
        assert (own - other).norm() < 1e-5 * other.norm()


def test_all_three_ways_through_the_network_agree():
    theta, batch = parameters(), examples((6, 2, 4, 1, 5))
    expected = Torch().double().load(theta)(batch.features)
    logits = SMALL.logits(theta, batch.features, None)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(recurrent.predict(theta, batch.features), expected)
    leaves = trainable_copy(theta)
    loss = SMALL.mean_loss(SMALL.logits(leaves, batch.features, None), batch.labels)
    by_autograd = torch.autograd.grad(loss, leaves)
    gradient, fused_loss = recurrent.gradient(theta, batch.features, batch.labels, None)
    torch.testing.assert_close(fused_loss, loss.detach())
    torch.testing.assert_close(gradient, list(by_autograd))
    clients = [batch, examples((3, 3), seed=1)]
    tests = all_examples(clients, torch.float64, torch.device("cpu"))
    for i, (right, loss) in enumerate(zip(*evaluate_clients(SMALL, theta, tests), strict=True)):
        accuracy, mean_loss = evaluate(SMALL, theta, clients[i])
        assert right.item() == pytest.approx(accuracy * clients[i].num_labels)
        assert loss.item() == pytest.approx(mean_loss)


def test_masked_loss_and_accuracy_by_hand():
    theta, batch = parameters(), examples((6, 2, 4))
    scores = Torch().double().load(theta)(batch.features).detach().numpy()
    losses, right = [], []
    for row, labels in zip(scores, batch.labels.tolist(), strict=True):
        for values, label in zip(row, labels, strict=True):
            if label >= 0:
                losses.append(np.log(np.exp(values).sum()) - values[label])
                right.append(values.argmax() == label)
    assert len(right) == 6 + 2 + 4
    assert evaluate(SMALL, theta, batch) == pytest.approx((np.mean(right), np.mean(losses)))


def test_what_stands_in_a_window_s_padding_changes_no_gradient():
    theta, batch = trainable_copy(parameters()), examples((6, 2, 4))
    expected, loss = batch_gradient(SMALL, theta, batch, np.arange(3), None)
    other = batch.features.clone()
    other[batch.labels < 0] = 5
    longer = Examples(
        nn.functional.pad(other, (0, 3), value=2), nn.functional.pad(batch.labels, (0, 3), value=-1)
    )
    longer.labels[longer.labels < 0] = -100
    gradient, same = batch_gradient(SMALL, theta, longer, np.arange(3), None)
    assert torch.equal(same, loss)
    assert all(torch.equal(a, b) for a, b in zip(gradient, expected, strict=True))


def test_a_large_batch_is_summed_over_its_parts():
    theta, client = trainable_copy(parameters()), examples((6, 2, 4, 1, 5, 3, 6))
    batch, vector = np.array([6, 0, 1, 2, 3, 4, 5]), parameters()
    bounded = replace(SMALL, rows=3)
    for model in (bounded, replace(bounded, gradient=None)):
        gradient, loss = batch_gradient(model, theta, client, batch, None)
        expected, whole = batch_gradient(SMALL, theta, client, batch, None)
        torch.testing.assert_close(gradient, expected)
        assert loss.item() == pytest.approx(whole.item())
    torch.testing.assert_close(
        hessian_vector_product(bounded, theta, client, batch, vector, None),
        hessian_vector_product(SMALL, theta, client, batch, vector, None),
    )


def test_a_batch_without_labels_has_no_gradient():
    gradient, loss = recurrent.gradient(parameters(), *vars(examples((0, 0))).values(), None)
    assert loss == 0
    assert not any(g.any() for g in gradient)


def test_fedavg_s_round_is_a_loop_over_torch_s_layers():
    """Clients of different sizes and lengths count by their target characters."""
    cohort = [
        CohortClient(f"role{i}", examples(lengths, seed=i))
        for i, lengths in enumerate([(6, 6, 3), (2,), (1, 5, 6, 4, 2)])
    ]
    run = FederatedRun(make_spec(local_epochs=2, client={"lr": RATE, "batch_size": 2}))
    run.model = SMALL
    theta = parameters()
    state = ServerState(theta, run.spec.server.init(theta))
    after, diagnostics = run.round(state, 1, cohort)

    total, mean, loss_sum, labels = 0, [torch.zeros_like(p) for p in theta], 0.0, 0
    for client in cohort:
        local = Torch().double().load(theta)
        optimizer = torch.optim.SGD(local.ours, lr=RATE)
        x, y = client.examples.features, client.examples.labels
        for batch in run.client_task(1, client).batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(
                local(x[batch]).transpose(1, 2), y[batch], ignore_index=-100
            )
            loss.backward()
            optimizer.step()
            count = int((y[batch] >= 0).sum())
            loss_sum, labels = loss_sum + loss.item() * count, labels + count
        volume = int((y >= 0).sum())
        total += volume
        for m, start, end in zip(mean, theta, local.ours, strict=True):
            m += volume * (start - end.detach())
    server = run.spec.server
    expected, _ = server.step(theta, [m / total for m in mean], server.init(theta))
    torch.testing.assert_close(after.parameters, expected, rtol=1e-9, atol=1e-12)
    assert diagnostics.train_loss == pytest.approx(loss_sum / labels, rel=1e-12)


def update(algorithm, k, theta, client):
    rule = ALGORITHMS[algorithm]
    weights = rule.weights(k)
    batches = [np.array([j % 3, (j + 1) % 3]) for j in range(len(weights))]
    delta = client_update(SMALL, theta, client, batches, RATE, weights, None, rule.jacobian).delta
    return torch.cat([d.flatten() for d in delta])


def test_fedavg_is_fedsgd_plus_fomaml_of_every_shorter_walk():
    theta, client = parameters(), examples((6, 2, 4))
    parts = update("fedsgd", 1, theta, client)
    parts = parts + sum(update("fomaml", j, theta, client) for j in range(1, 4))
    whole = update("fedavg", 4, theta, client)
    assert (parts - whole).norm() < 1e-12 * whole.norm()
    assert (parts - update("fedavg", 3, theta, client)).norm() > 1e-3 * whole.norm()


@pytest.mark.parametrize("algorithm", ["maml", "maml_printed"])
def test_maml_is_fomaml_times_the_jacobian_of_hessian_matrices(algorithm):
    theta, client, k = parameters(), examples((6, 2, 4)), 2
    sizes = [p.numel() for p in theta]

    def loss(flat, batch):
        p = [t.view(s) for t, s in zip(flat.split(sizes), SHAPES.values(), strict=True)]
        return SMALL.mean_loss(SMALL.logits(p, client.features[batch], None), client.labels[batch])

    point = torch.cat([p.flatten() for p in theta])
    hessians = []
    for j in range(k):
        batch = [j % 3, (j + 1) % 3]
        hessians.append(
            torch.autograd.functional.hessian(partial(loss, batch=batch), point, vectorize=True)
        )
        gradient = torch.autograd.functional.jacobian(partial(loss, batch=batch), point)
        point = point - RATE * gradient
    identity = torch.eye(len(point), dtype=torch.float64)
    if algorithm == "maml":
        jacobian = (identity - RATE * hessians[0]) @ (identity - RATE * hessians[1])
    else:
        jacobian = identity - RATE * (hessians[0] + hessians[1])
    expected = jacobian @ update("fomaml", k, theta, client)
    got = update(algorithm, k, theta, client)
    assert (got - expected).norm() < 1e-10 * expected.norm()
    assert (expected - update("fomaml", k, theta, client)).norm() > 1e-3 * expected.norm()


def test_initial_weights_are_the_standard_s():
    named = MODELS["lstm_shakespeare"].named(
        MODELS["lstm_shakespeare"].init(torch_stream(StreamKey(3, "test")))
    )
    hidden = named["lstm2.hidden.weight"]
    torch.testing.assert_close(hidden.T @ hidden, torch.eye(256), rtol=0, atol=1e-5)
    assert named["lstm2.input.weight"].std() == pytest.approx((2 / 256) ** 0.5, rel=0.01)
    assert named["dense.weight"].std() == pytest.approx((2 / 346) ** 0.5, rel=0.02)
    assert named["embedding.weight"].abs().max() == pytest.approx(0.05, rel=0.01)
    assert named["lstm1.bias"].view(4, 256).mean(1).tolist() == [0, 1, 0, 0]
