"""A label per position: a small recurrent network against torch's LSTM and numbers by hand, alone
and many clients at once."""

import numpy as np
import pytest
import torch
from torch import nn

from perfedavg.algorithms.federated import CohortClient, FederatedRun, loop
from perfedavg.execution.cohorts import StackedUpdates
from perfedavg.execution.held_out import fine_tune_stacked
from perfedavg.models.model import Examples
from perfedavg.models.steps import batch_gradient, evaluate, to_examples, trainable_copy
from perfedavg.personalization.fine_tuning import fine_tune
from perfedavg.personalization.settings import Personalization
from perfedavg.randomness import StreamKey, torch_stream
from tests.added.lstm_tiny import MODEL
from tests.added.sequences import Sequences
from tests.conftest import make_spec

CPU = torch.device("cpu")


@pytest.fixture
def clients():
    """Six clients, of 9, 1, 4, 9, 7 and 3 train examples."""
    drawn = Sequences(dataset="sequences", people=6).clients(None, None)
    return [
        (
            c.client_id,
            to_examples(MODEL, c.train_x[:n], c.train_y[:n]),
            to_examples(MODEL, c.test_x, c.test_y),
        )
        for c, n in zip(drawn, (9, 1, 4, 9, 7, 3), strict=True)
    ]


def parameters(dtype=torch.float64):
    return [p.to(dtype) for p in MODEL.init(torch_stream(StreamKey(0, "x")))]


def test_the_cell_is_torch_s():
    theirs = nn.LSTM(6, 8, batch_first=True).double()
    embedding, weight, bias, out, out_bias = parameters()
    # torch's gates come in the order input, forget, cell, output; ours forget, input, output, cell
    order = [part for gate in (1, 0, 3, 2) for part in range(8 * gate, 8 * gate + 8)]
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(weight[order, :6])
        theirs.weight_hh_l0.copy_(weight[order, 6:])
        theirs.bias_ih_l0.copy_(bias[order])
        theirs.bias_hh_l0.zero_()
        tokens = torch.randint(12, (5, 7))
        expected = theirs(embedding[tokens])[0] @ out.T + out_bias
    torch.testing.assert_close(MODEL.logits(parameters(), tokens, None), expected)


def test_loss_and_accuracy_by_hand(clients):
    _, train, _ = clients[0]
    theta, masked = parameters(), train.labels < 0
    assert 5 < masked.sum() < train.labels.numel() - 5
    logits = MODEL.logits(theta, train.features, None).numpy()
    losses, right = [], []
    for row, labels in zip(logits, train.labels.tolist(), strict=True):
        for scores, label in zip(row, labels, strict=True):
            if label >= 0:
                losses.append(np.log(np.exp(scores).sum()) - scores[label])
                right.append(scores.argmax() == label)
    assert train.num_labels == len(right)
    accuracy, loss = evaluate(MODEL, theta, train)
    assert accuracy == np.mean(right)
    assert loss == pytest.approx(np.mean(losses), rel=1e-12)
    _, step_loss = batch_gradient(MODEL, trainable_copy(theta), train, np.arange(9), None)
    assert step_loss.item() == pytest.approx(np.mean(losses), rel=1e-12)


def test_padding_changes_no_gradient(clients):
    _, train, _ = clients[0]
    batch, theta = np.array([3, 0, 3]), trainable_copy(parameters())
    expected, loss = batch_gradient(MODEL, theta, train, batch, None)
    wider = Examples(
        nn.functional.pad(train.features, (0, 4), value=5),
        nn.functional.pad(train.labels, (0, 4), value=-100),
    )
    gradient, same = batch_gradient(MODEL, theta, wider, batch, None)
    assert same.item() == pytest.approx(loss.item(), rel=1e-14)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)


def test_a_batch_without_labels_gives_no_gradient_and_a_client_without_any_gives_nan(clients):
    _, train, _ = clients[0]
    nothing = Examples(train.features, torch.full_like(train.labels, -100))
    theta = trainable_copy(parameters())
    gradient, loss = batch_gradient(MODEL, theta, nothing, np.arange(4), None)
    assert loss == 0
    assert not any(g.any() for g in gradient)
    assert np.isnan(evaluate(MODEL, theta, nothing)).all()


@pytest.mark.parametrize(
    "work",
    [
        {"algorithm": "fedavg", "local_epochs": 2},
        {"algorithm": "reptile", "local_epochs": None, "local_steps": 3},
        {"algorithm": "maml", "local_epochs": None, "local_steps": 2},
    ],
    ids=lambda work: work["algorithm"],
)
def test_a_round_of_many_at_once_is_the_loop_s(clients, work):
    run = FederatedRun(make_spec(**work))
    run.model = MODEL
    cohort = [CohortClient(client_id, train) for client_id, train, _ in clients]
    got = StackedUpdates(CPU)(run, parameters(), 3, cohort)
    for a, b in zip(got, loop(run, parameters(), 3, cohort), strict=True):
        torch.testing.assert_close(a.delta, b.delta, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(a.losses, b.losses, rtol=1e-12)


@pytest.mark.parametrize("layers", ["all", "last"])
def test_fine_tuning_many_at_once_is_the_loop_s(clients, layers):
    client_id, train, test = clients[2]
    unlabelled = Examples(test.features, torch.full_like(test.labels, -100))
    clients[2] = client_id, train, unlabelled
    tasks = [
        (train, test, StreamKey(0, "test", 3, client_id)) for client_id, train, test in clients
    ]
    settings = Personalization(layers=layers, lr=0.5, batch_size=4)
    got = fine_tune_stacked(MODEL, parameters(), tasks, settings, 2, CPU)
    expected = [
        fine_tune(MODEL, parameters(), train, test, settings, key, 2) for train, test, key in tasks
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    assert np.isnan(got[2]).all()
    assert not np.isnan(got[0]).any()
    assert got[0][0, 0] != got[0][2, 0]


def test_double_precision_leaves_token_ids_alone(clients):
    _, train, _ = clients[0]
    assert train.to(torch.float64).features.dtype == torch.int64
