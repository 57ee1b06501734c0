"""pfl-research's own FedAvg with its ``SimulatedBackend`` and ``PyTorchModel``, one process.

Its personalized algorithms evaluate before and after all of the training only;
:class:`_Personalization` evaluates after every epoch, with pfl's own training and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from time import perf_counter

import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.hyperparam import NNEvalHyperParams, NNTrainHyperParams
from pfl.internal.bridge import FrameworkBridgeFactory
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn

from benchmarks.peers.plain import make_model, mean_loss, to_tensors
from benchmarks.work import Work, personal_data, personalization_result, round_result, train_data


class _Module(nn.Module):
    """What pfl asks of a model: a loss and metrics."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.layers = make_model(work)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        self.train()
        return mean_loss(self.layers(inputs), labels)

    @torch.no_grad()
    def metrics(self, images: Tensor, labels: Tensor) -> dict[str, Weighted]:
        self.eval()
        logits, n = self.layers(images), len(labels)
        correct = (logits.argmax(1) == labels).sum().item()
        loss = nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        return {"accuracy": Weighted(correct, n), "loss": Weighted(loss, n)}


class _Personalization(FederatedAveraging):
    """Fine-tunes every user and returns no statistics."""

    def __init__(self, tests: dict[str, PyTorchTensorDataset], epochs: int) -> None:
        super().__init__()
        self.tests, self.epochs, self.last_losses = tests, epochs, []

    def simulate_one_user(self, model, user_dataset, central_context):
        held_out, whole = self.tests[user_dataset.user_id], central_context.model_eval_params
        self._initial_model_state = model.get_parameters(self._initial_model_state)
        metrics = model.evaluate(held_out, eval_params=whole)
        for _ in range(self.epochs):
            FrameworkBridgeFactory.sgd_bridge().do_sgd(
                model, user_dataset, central_context.model_train_params
            )
            metrics = model.evaluate(held_out, eval_params=whole)
        self.last_losses.append(metrics["loss"].overall_value)
        model.set_parameters(self._initial_model_state)
        return None, Metrics()


class Pfl:
    """pfl set up for the work."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.model = self._model()
        ids = [str(i) for i in range(work.clients)]
        data = {
            i: PyTorchTensorDataset(to_tensors(train_data(work, int(i))), user_id=i) for i in ids
        }
        self.backend = self._backend(data, ids)
        self.algorithm = FederatedAveraging()
        self.iteration = 1  # pfl evaluates in iteration 0, which is not asked for
        self.training = NNTrainHyperParams(
            local_batch_size=work.batch, local_num_epochs=1, local_learning_rate=work.lr
        )
        self.evaluation = NNEvalHyperParams(local_batch_size=None)
        self.tests, self.personal = {}, {}
        for i in range(work.personalized):
            train, held_out = (to_tensors(d) for d in personal_data(work, i))
            self.personal[str(i)] = PyTorchTensorDataset(train, user_id=str(i))
            self.tests[str(i)] = PyTorchTensorDataset(held_out, user_id=str(i))

    def _model(self) -> PyTorchModel:
        module = _Module(self.work)
        return PyTorchModel(module, torch.optim.SGD, torch.optim.SGD(module.parameters(), lr=1.0))

    @staticmethod
    def _backend(data: dict[str, PyTorchTensorDataset], ids: list[str]) -> SimulatedBackend:
        users = FederatedDataset(data.__getitem__, cycle(ids).__next__)
        return SimulatedBackend(users, users, postprocessors=[WeightByDatapoints()])

    def _run(
        self,
        algorithm: FederatedAveraging,
        backend: SimulatedBackend,
        model: PyTorchModel,
        cohort: int,
    ) -> None:
        """One iteration of ``algorithm.run``, without its callbacks."""
        params = NNAlgorithmParams(self.iteration + 1, self.iteration + 1, cohort, None)
        contexts, model, _ = algorithm.get_next_central_contexts(
            model, self.iteration, params, self.training, self.evaluation
        )
        statistics, metrics = backend.gather_results(model, algorithm, central_context=contexts[0])
        if statistics is not None:
            algorithm.process_aggregated_statistics_from_all_contexts(
                ((contexts[0], statistics),), metrics, model
            )
        self.iteration += 1

    def round(self) -> dict[str, float]:
        """One timed round; the model moves on."""
        before = {name: value.detach().clone() for name, value in self.model.variable_map.items()}
        began = perf_counter()
        self._run(self.algorithm, self.backend, self.model, self.work.clients)
        result = round_result(self.work, began, 0)
        deltas = [value.detach() - before[name] for name, value in self.model.variable_map.items()]
        return result | {"check": sum(d.square().sum().item() for d in deltas) ** 0.5}

    def personalize(self, part: int) -> dict[str, float]:
        """Personalize one part of the clients, timed, from the initial weights."""
        model, ids = self._model(), [str(i) for i in self.work.part(part)]
        backend, algorithm = (
            self._backend(self.personal, ids),
            _Personalization(self.tests, self.work.epochs),
        )
        began = perf_counter()
        self._run(algorithm, backend, model, len(ids))
        return personalization_result(self.work, began, part, algorithm.last_losses)


def start(work: Work, threads: int, serve: Callable) -> None:
    """Serve rounds and personalization."""
    torch.set_num_threads(threads)
    pfl = Pfl(work)
    serve({"round": pfl.round, "personalize": pfl.personalize})
