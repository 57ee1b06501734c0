"""Where every algorithm ends on quadratics, whose fixed points have closed forms.

Client i's loss is (theta - c_i)^T A_i (theta - c_i) / 2, the same for each of its examples. A local
step multiplies theta - c_i by B_i = I - beta A_i, so a client's delta is M_i (theta - c_i), M_i a
polynomial of A_i that tells the algorithms apart, and rounds end where sum_i M_i (theta - c_i) = 0:
at (sum_i M_i)^-1 sum_i M_i c_i."""

from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.linalg import matrix_power, norm, solve

from perfedavg.algorithms.federated import CohortClient, FederatedRun, ServerState
from perfedavg.models import steps as local
from perfedavg.models.model import Model
from perfedavg.models.steps import Examples
from tests.conftest import make_spec

BETA, K, EPOCHS, SIZES = 0.25, 3, 2, (1, 2, 2, 3)
WEIGHTS = [1, 0, -0.5, 2]
CURVATURES = [[0.3, 1.0, 1.2], [1.1, 0.2, 0.5], [0.6, 0.9, 0.3], [0.2, 0.4, 1.25]]


def make_clients():
    """A_i with these eigenvalues in random directions, so that they do not commute, and c_i."""
    rng = np.random.default_rng(0)
    for values in CURVATURES:
        directions, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        yield directions @ np.diag(values) @ directions.T, rng.normal(size=3)


CLIENTS = list(make_clients())
# Two parameters, so that a Hessian has blocks off its diagonal. An example's features are its
# client's A and c.
MODEL = Model(
    shapes={"first": (2,), "last": (1,)}, features=torch.from_numpy, logits=lambda *_: None
)


@pytest.fixture
def quadratic(monkeypatch):
    """In place of the cross-entropy; walks, Hessian-vector products, averages and server steps stay
    the package's."""

    def loss(model, parameters, examples, batch, dropout):
        rows = examples.features[torch.from_numpy(batch)]
        away = torch.cat(list(parameters)) - rows[:, :, 3]
        return torch.einsum("bi,bij,bj->b", away, rows[:, :, :3], away).mean() / 2

    monkeypatch.setattr(local, "_batch_loss", loss)


def walked(a, steps):
    """B^steps."""
    return matrix_power(np.eye(3) - BETA * a, steps)


def by_epochs(a, n):
    """EPOCHS of n examples in batches of one, averaged by the number of examples."""
    return n / np.mean(SIZES) * (np.eye(3) - walked(a, EPOCHS * n))


# Algorithm and work; M_i, of A_i and the number of examples.
CASES = {
    "fedsgd": ({}, lambda a, n: BETA * a),
    "fedavg": ({"local_steps": K, "averaging": "equal"}, lambda a, n: np.eye(3) - walked(a, K)),
    "fedavg by epochs": ({"local_epochs": EPOCHS}, by_epochs),
    "reptile": ({"local_steps": K}, lambda a, n: np.eye(3) - walked(a, K)),
    "fomaml": ({"local_steps": K}, lambda a, n: BETA * a @ walked(a, K)),
    "maml": ({"local_steps": K}, lambda a, n: BETA * walked(a, K) @ a @ walked(a, K)),
    "maml_printed": (
        {"local_steps": K},
        lambda a, n: BETA * (np.eye(3) - BETA * K * a) @ a @ walked(a, K),
    ),
    "weighted": (
        {"weights": WEIGHTS},
        lambda a, n: BETA * sum(w * a @ walked(a, j) for j, w in enumerate(WEIGHTS)),
    ),
}


def matrices(case):
    """All M_i."""
    return [CASES[case][1](a, n) for (a, _), n in zip(CLIENTS, SIZES, strict=True)]


def fixed_point(case):
    return solve(
        sum(matrices(case)), sum(m @ c for m, (_, c) in zip(matrices(case), CLIENTS, strict=True))
    )


def make_run(case, server_lr):
    work = {"local_epochs": None, "client": {"lr": BETA, "batch_size": 1}} | CASES[case][0]
    server = {"optimizer": "sgd", "lr": server_lr, "momentum": 0.0}
    run = FederatedRun(make_spec(algorithm=case.split()[0], server=server, **work))
    run.model = MODEL
    rows = [torch.from_numpy(np.column_stack(client)) for client in CLIENTS]
    examples = [
        Examples(row.expand(n, 3, 4), torch.zeros(n, dtype=torch.int64))
        for row, n in zip(rows, SIZES, strict=True)
    ]
    start = list(torch.ones(3, dtype=torch.float64).split([2, 1]))
    return (
        run,
        ServerState(start, run.spec.server.init(start)),
        [CohortClient(str(i), e) for i, e in enumerate(examples)],
    )


@pytest.mark.parametrize("case", CASES)
def test_a_round_moves_by_the_mean_of_the_clients_matrices_times_their_distances(quadratic, case):
    run, state, cohort = make_run(case, server_lr=1.0)
    after, _ = run.round(state, 1, cohort)
    way = np.mean(
        [m @ (np.ones(3) - c) for m, (_, c) in zip(matrices(case), CLIENTS, strict=True)], axis=0
    )
    np.testing.assert_allclose(torch.cat(after.parameters).numpy(), np.ones(3) - way, rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_rounds_end_at_the_fixed_point(quadratic, case):
    # With this server rate every round takes the largest of the remaining distance's three
    # components away.
    run, state, cohort = make_run(case, server_lr=1 / norm(np.mean(matrices(case), axis=0), 2))
    for number in range(1, 101):
        state, diagnostics = run.round(state, number, cohort)
        if diagnostics.update_norm < 1e-12:
            break
    np.testing.assert_allclose(
        torch.cat(state.parameters).numpy(), fixed_point(case), rtol=0, atol=1e-9
    )


def test_the_fixed_points_tell_the_algorithms_apart():
    points = {case: fixed_point(case) for case in CASES}
    np.testing.assert_array_equal(points.pop("reptile"), points["fedavg"], "one algorithm")
    for one, other in combinations(points, 2):
        assert norm(points[one] - points[other]) > 1e-2, (one, other)
