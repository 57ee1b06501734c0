"""Flower's FedAvg strategy with its Ray simulation: a server app, a client app, actors of
``threads`` cores each.

Clients train as in the plain loop. The server app does what the strategy does in a round, without
the evaluation; to personalize, it sends evaluation messages, and clients fine-tune before they
answer."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.peers.plain import PlainLoop, make_model, personalize, train_epoch
from benchmarks.work import Work, personalization_result, round_result


@lru_cache
def _clients(work: Work) -> PlainLoop:
    """Data and a model of the right shape, made once an actor."""
    return PlainLoop(work)


def _model(work: Work, message: Message) -> nn.Module:
    model = copy.deepcopy(_clients(work).model)
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    return model


def _client_app(work: Work, threads: int) -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        torch.set_num_threads(threads)
        model, data = (
            _model(work, message),
            _clients(work).train[context.node_config["partition-id"]],
        )
        optimizer = torch.optim.SGD(model.parameters(), work.lr)
        train_epoch(model, optimizer, DataLoader(data, work.batch, shuffle=True))
        content = {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"num-examples": len(data)}),
        }
        return Message(RecordDict(content), reply_to=message)

    @app.evaluate()
    def fine_tune(message: Message, context: Context) -> Message:
        torch.set_num_threads(threads)
        client = work.part(message.content["config"]["part"])[context.node_config["partition-id"]]
        train, held_out = _clients(work).personal[client]
        curve = personalize(_model(work, message), train, held_out, work)
        metrics = {
            "num-examples": 1,
            "loss": curve[-1][1],
            "accuracies": [accuracy for accuracy, _ in curve],
        }
        return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)

    return app


def start(work: Work, threads: int, serve: Callable) -> None:
    """Serve rounds and personalization."""
    if work.personalized not in (0, work.clients * work.parts):
        raise ValueError("a node stands for one client of a round and one of each part")
    logging.getLogger("flwr").setLevel(logging.ERROR)
    server = ServerApp()
    failures = []

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        strategy = FedAvg(
            min_train_nodes=work.clients,
            min_evaluate_nodes=work.clients,
            min_available_nodes=work.clients,
        )
        arrays, rounds = ArrayRecord(make_model(work).state_dict()), 0

        def one_round() -> dict[str, float]:
            nonlocal arrays, rounds
            rounds += 1
            before = arrays.to_torch_state_dict()
            began = perf_counter()
            replies = grid.send_and_receive(
                strategy.configure_train(rounds, arrays, ConfigRecord(), grid)
            )
            arrays, _ = strategy.aggregate_train(rounds, replies)
            result = round_result(work, began, 0)
            after = arrays.to_torch_state_dict()
            return result | {
                "check": sum((after[k] - before[k]).square().sum().item() for k in before) ** 0.5
            }

        def personalize_part(part: int) -> dict[str, float]:
            initial = ArrayRecord(make_model(work).state_dict())
            began = perf_counter()
            replies = grid.send_and_receive(
                strategy.configure_evaluate(1, initial, ConfigRecord({"part": part}), grid)
            )
            metrics = strategy.aggregate_evaluate(1, replies)
            return personalization_result(work, began, part, [metrics["loss"]])

        try:
            serve({"round": one_round, "personalize": personalize_part})
        except Exception as error:
            failures.append(error)

    cores = torch.get_num_threads()
    backend = {
        "client_resources": {"num_cpus": threads, "num_gpus": 0.0},
        "init_args": {"num_cpus": cores, "include_dashboard": False, "log_to_driver": False},
    }
    run_simulation(
        server, _client_app(work, threads), num_supernodes=work.clients, backend_config=backend
    )
    if failures:
        raise failures[0]
