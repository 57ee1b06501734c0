"""The family of algorithms on one screen (section 2 of the paper). A config reads it: no torch.

A client walks theta_j = theta_{j-1} - beta G_j, G_j the gradient of its j-th local batch at
theta_{j-1}, and returns

    delta = beta sum_j w_j G_j

in parameter scale. The algorithms differ in w, and in how the server averages. So with equal
averaging FedAvg's delta of K steps is FedSGD's plus FOMAML(1)'s to FOMAML(K-1)'s:
(1, ..., 1) = (1) + (0, 1) + ... + (0, ..., 0, 1). MAML is FOMAML's delta with the Jacobian of the
walk applied to it, by Hessian-vector products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from perfedavg.runtime.source import modules_in

if TYPE_CHECKING:
    from torch import Tensor

Averaging = Literal["examples", "equal"]
Jacobian = Literal["none", "product", "sum"]
Term = Callable[[Sequence["Tensor"], Sequence["Tensor"]], "list[Tensor]"]
"""(local parameters, global parameters) to what is added to a local gradient."""


@dataclass(frozen=True)
class Algorithm:
    """What a client returns and what it counts in the average.

    ``weights`` are w as a function of K local steps. The Jacobian ``product`` is exact:
    (I - beta H_1) (I - beta H_2) ... (I - beta H_K), H_j the Hessian of the j-th batch's loss at
    theta_{j-1}; ``sum`` is as the paper prints it: I - beta sum_j H_j, the first-order part of that
    product. A ``term`` makes G_j the gradient of the loss and a penalty.
    """

    weights: Callable[[int], Sequence[float]]
    averaging: Averaging
    jacobian: Jacobian = "none"
    term: Term | None = None

    @property
    def takes_steps(self) -> bool:
        """Its work grows with K; otherwise it takes neither local steps nor local epochs."""
        return self.weights(1) != self.weights(2)

    @property
    def takes_epochs(self) -> bool:
        """It uses every batch that it walks, so K can be all batches of some local epochs."""
        return self.takes_steps and len(self.weights(2)) == 2

    def num_gradients(self, steps: int) -> int:
        """Gradient evaluations of one client in one round of K ``steps``."""
        return len(self.weights(steps))

    def num_hessian_products(self, steps: int) -> int:
        """Hessian-vector products of one client in one round: one per step before the last."""
        return 0 if self.jacobian == "none" else self.num_gradients(steps) - 1

    def total_weight(self, steps: int) -> float:
        """``sum_j |w_j|``: how far a round goes where a client's gradients are all the same."""
        return sum(map(abs, self.weights(steps)))


ALGORITHMS = {
    "fedsgd": Algorithm(lambda k: [1], "equal"),
    "fedavg": Algorithm(lambda k: [1] * k, "examples"),
    "reptile": Algorithm(lambda k: [1] * k, "equal"),
    "fomaml": Algorithm(lambda k: [0] * k + [1], "equal"),
    "maml": Algorithm(lambda k: [0] * k + [1], "equal", "product"),
    "maml_printed": Algorithm(lambda k: [0] * k + [1], "equal", "sum"),
}
NAMED = tuple(ALGORITHMS)
WEIGHTED = "weighted"
"""The algorithm whose weights a config gives."""

MODULES: dict[str, str] = {}
"""The module of every algorithm that a file of this folder adds in its own ``ALGORITHMS``."""

for _name, _module in modules_in(__name__).items():
    ALGORITHMS |= _module.ALGORITHMS
    MODULES |= dict.fromkeys(_module.ALGORITHMS, f"{__name__}.{_name}")


def weighted(weights: Sequence[float]) -> Algorithm:
    """The algorithm with these weights, whatever K."""
    return Algorithm(lambda k: weights, "equal")
