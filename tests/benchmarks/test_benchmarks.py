"""The bench: everyone does the same work, and the report says what was measured."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import floor, report
from benchmarks.__main__ import Bench, entries, lstm_entries, main
from benchmarks.contestants import Contestant, ContestantError, Entry
from benchmarks.kernels import lstm
from benchmarks.ours import MODEL, Ours, cohort_client, run_spec
from benchmarks.peers.plain import PlainLoop
from benchmarks.work import (
    LSTM,
    QUICK,
    QUICK_LSTM,
    SHAPES,
    WINDOW,
    Work,
    initial_weights,
    part_sizes,
    train_data,
)
from perfedavg.algorithms.federated import FederatedRun, ServerState, average, local_walk
from perfedavg.models import MODELS
from perfedavg.randomness import StreamKey, stream

COMMITTED = Path(__file__).parents[2] / "docs/bench/bench.json"


def weights(work=QUICK):
    return [torch.from_numpy(weight) for weight in initial_weights(work)]


def our_delta(run, work, round_number):
    cohort = [cohort_client(work, i) for i in range(work.clients)]
    return average(
        [run.client_update(weights(work), round_number, client) for client in cohort], "examples"
    )


# What the plain loop loses as it rounds weights: the CNN's are near 0.1, the LSTM's near 0.3.
@pytest.mark.parametrize(
    ("work", "rounding"), [(QUICK, 1e-7), (replace(QUICK_LSTM, examples=6), 1e-6)]
)
def test_plain_loop_and_our_round_do_the_same_work(work, rounding):
    run = FederatedRun(run_spec(work))
    gradient = run.model.gradient
    run.model = replace(run.model, gradient=lambda p, x, y, dropout: gradient(p, x, y, None))
    ours = our_delta(run, work, 1)

    def same_batches(client, data):
        rng = stream(StreamKey(work.seed, "local training", 1, str(client)))
        return DataLoader(data, batch_sampler=local_walk(run.spec, len(data), rng)[0])

    loop = PlainLoop(work, dropout=False)
    plain = loop.average_delta(same_batches)
    trained = [plain[name] for name, p in loop.model.named_parameters() if p.requires_grad]
    for mine, other in zip(ours, trained, strict=True):
        assert (mine - other).abs().max() < rounding
        assert (mine - other).norm() < 1e-3 * other.norm()


def test_processes_change_no_result():
    ours = Ours(QUICK, workers=2)
    try:
        norm = ours.round()["check"]
    finally:
        ours.close()
    run = FederatedRun(run_spec(QUICK))
    start = ServerState(weights(), run.spec.server.init(weights()))
    alone, diagnostics = run.round(
        start, 1, [cohort_client(QUICK, i) for i in range(QUICK.clients)]
    )
    assert all(
        torch.equal(a, b) for a, b in zip(ours.state.parameters, alone.parameters, strict=True)
    )
    assert norm == pytest.approx(diagnostics.update_norm, rel=1e-5)


def test_the_networks_are_the_papers():
    for network, shapes in SHAPES.items():
        assert tuple(MODELS[MODEL[network, "float32"]].shapes.values()) == shapes
    assert sum(weight.size for weight in initial_weights(QUICK)) == 1_206_590
    assert sum(weight.size for weight in initial_weights(LSTM)) == 820_522


def test_windows_end_as_shakespeares_do():
    lengths = []
    for client in range(2):
        ids, labels = train_data(LSTM, client)
        inside = labels >= 0
        assert ((ids > 0) == inside).all()
        assert (labels[:, :-1] == ids[:, 1:])[inside[:, 1:]].all()
        lengths.append(inside.sum(1))
    assert sorted(lengths[0]) == sorted(lengths[1])
    assert (lengths[0] == WINDOW).mean() == pytest.approx(0.58, abs=0.01)
    assert lengths[0].mean() == pytest.approx(0.78 * WINDOW, rel=0.05)


def test_other_work_gets_no_number(tmp_path):
    """Two torch biases that both move are twice one that does."""

    def norm(work, both_move):
        torch.manual_seed(0)
        loop = PlainLoop(work)
        for name, parameter in loop.model.named_parameters():
            parameter.requires_grad_(both_move or "bias_hh" not in name)
        return loop.round()["check"]

    bench = Bench([], QUICK_LSTM, 1, tmp_path, 1)
    bench._check("ours", "round", norm(QUICK_LSTM, False))
    with pytest.raises(ContestantError, match="not the same work"):
        bench._check("other", "round", norm(QUICK_LSTM, True))


def test_lstm_kernels_are_torchs_layer():
    torch.manual_seed(0)
    length, layer = 5, weights(LSTM)[1:4]
    (_, _, forward), (_, _, backward) = lstm._layer("", 4, length, *layer)
    torch.manual_seed(0)
    x, grad = torch.randn(length, 4, 8, requires_grad=True), torch.randn(length, 4, 256)
    module = torch.nn.LSTM(8, 256)
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), (*layer, layer[2] * 0), strict=True):
            parameter.copy_(value)
    expected, _ = module(x)
    torch.testing.assert_close(forward["oneDNN"]()[0], expected)
    expected = torch.autograd.grad(expected, [x, *module.parameters()], grad)
    torch.testing.assert_close(list(backward["oneDNN"]()[:5]), list(expected))


def test_products_within_the_lstm_are_all_there_are():
    products = [ways["torch"] for _, kind, ways in floor.kernels(LSTM) if kind == "within"]
    with FlopCounterMode(display=False) as counted:
        for product in products:
            product()
    # Each weight of both layers once forward, and once for either gradient, a multiplication and
    # an addition at 80 positions of 4 windows.
    weights = 1024 * (8 + 256) + 1024 * (256 + 256)
    assert counted.get_total_flops() == 3 * 2 * 80 * 4 * weights


@pytest.mark.parametrize("work", [QUICK, QUICK_LSTM])
def test_ways_of_a_kernel_compute_the_same(work):
    for name, _, ways in floor.kernels(work):
        if "dropout" not in name and "SGD" not in name:
            first, *others = (way() for way in ways.values())
            for other in others:
                for a, b in zip(as_list(first), as_list(other), strict=True):
                    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def as_list(output):
    return (
        [o for o in output if o is not None and o.is_floating_point()]
        if isinstance(output, tuple)
        else [output]
    )


def test_floor_is_the_sum_of_its_kernels():
    rows = [
        {"kernel": "a", "kind": "forward", "microseconds": 2.0},
        {"kernel": "b", "kind": "training", "microseconds": 6.0},
        {"kernel": "part of b", "kind": "within", "microseconds": 5.0},
    ]
    slower = [row | {"microseconds": row["microseconds"] * 2} for row in rows]
    both = floor.combine(QUICK, [rows, slower])
    assert (both["step_seconds"], both["forward_seconds"], both["examples"]) == pytest.approx(
        (12e-6, 3e-6, 40)
    )
    measured = report.Measured([both | {"alternation": 0, "name": "floor", "task": "floor"}])
    assert report.floor_rates(measured, QUICK, "round")[0] == pytest.approx(2 * 20 / 12e-6)
    train, test = part_sizes(QUICK, 0)
    seconds = (train / 20 * 12e-6 + test / 20 * 3e-6) / 2
    assert report.floor_rates(measured, QUICK, "personalize")[0] == pytest.approx(train / seconds)


def test_parts_cover_all_clients_once():
    work = Work()
    assert sorted(client for part in range(work.parts) for client in work.part(part)) == list(
        range(100)
    )
    assert work.part(work.parts) == work.part(0)


def test_ratios_are_taken_within_alternations():
    def turns(name, seconds):
        return [
            {
                "alternation": i,
                "name": name,
                "task": "round",
                "examples": 100,
                "seconds": s,
                "peak_mib": 10 * s,
                "others": s / 10,
            }
            for i, s in enumerate(seconds)
        ]

    # The machine is half as fast in the last alternation; the best peer is out of it.
    measured = report.Measured(
        turns("perfedavg", [1, 1, 2])
        + turns("plain torch loop", [3, 3, 3])
        + turns("fedjax", [2, 2])
    )
    measured.errors["flower"] = "no such thing"
    result = report.summarize(measured, entries("python", 2), QUICK, {})
    assert result["best_peer"] == "fedjax"
    assert result["ratio_to_best_peer"] == 2
    rows = {row["name"]: row for row in result["round"]}
    assert (
        rows["perfedavg"] | {"examples_per_second": 100, "peak_mib": 20, "dtype": "float32"}
        == rows["perfedavg"]
    )
    assert rows["flower"]["error"] == "no such thing"
    assert rows["flower"]["examples_per_second"] is None
    assert result["floor_fraction"] is None
    assert result["machine"]["others"] == 0.3


def test_of_the_lstm_rounds_alone_are_measured():
    asked = {entry.name: entry.tasks for entry in lstm_entries(entries("python", 2))}
    assert asked == {
        "perfedavg": ("round",),
        "floor": ("floor",),
        "plain torch loop": ("round",),
        "pfl-research": ("round",),
        "flower": ("round",),
    }


def test_a_contestant_that_fails_says_why(tmp_path):
    for python, why in (
        ("/nowhere/python", "not installed"),
        (sys.executable, "No module named 'benchmarks.nobody'"),
    ):
        entry = Entry("nobody", "benchmarks.nobody", python, (1,))
        with pytest.raises(ContestantError, match=why):
            Contestant(entry, QUICK, 1, tmp_path / "log", timeout=60)


def test_quick_bench(tmp_path, capsys):
    chosen = ["plain torch loop", "pfl-research"]
    main(
        [
            "--quick",
            "--alternations",
            "1",
            "--out",
            str(tmp_path),
            "--peers-python",
            "/nowhere/python",
            "--only",
            *chosen,
        ]
    )
    result = json.loads((tmp_path / "bench.json").read_text())
    for comparison in (result, result["personalization"]):
        ours, bf16, plain, missing = comparison["round"]
        assert (ours["name"], ours["dtype"]) == ("perfedavg", "float32")
        assert (bf16["name"], bf16["dtype"]) == ("perfedavg bf16", "bfloat16")
        assert (
            min(
                row[key]
                for row in (ours, bf16, plain)
                for key in ("examples_per_second", "peak_mib")
            )
            > 0
        )
        assert missing["examples_per_second"] is None
        assert "not installed" in missing["error"]
        assert comparison["ratio_to_best_peer"] > 0
        assert comparison["bf16_ratio_to_best_peer"] > 0
        assert 0 < comparison["floor_fraction"] < 1
    ours, plain, missing = result["lstm"]["round"]
    assert min(row["examples_per_second"] for row in (ours, plain)) > 0
    assert "not installed" in missing["error"]
    assert result["lstm"]["ratio_to_best_peer"] > 0
    assert result["lstm"]["floor_fraction"] > 0
    assert {"scale", "machine"} < set(result)
    assert (tmp_path / "bench.png").stat().st_size > 10_000
    printed = capsys.readouterr()
    assert printed.out.rstrip() == (tmp_path / "bench.md").read_text().rstrip()
    assert "alternation 1: round, perfedavg" in printed.err
    assert not list(tmp_path.glob(".*")), "nothing half-written is left"


def test_a_part_alone_keeps_the_others(tmp_path, monkeypatch):
    before = json.loads(COMMITTED.read_text())
    (tmp_path / "bench.json").write_text(json.dumps(before))
    turn = {"name": "perfedavg", "task": "round", "examples": 8, "seconds": 2, "peak_mib": 1}
    measured = report.Measured([turn | {"alternation": 0, "others": 0}])
    monkeypatch.setattr(Bench, "run", lambda bench: measured)
    main(["--quick", "--out", str(tmp_path), "--parts", "lstm", "--only"])
    after = json.loads((tmp_path / "bench.json").read_text())
    (row,) = after.pop("lstm")["round"]
    assert (row["name"], row["examples_per_second"]) == ("perfedavg", 4)
    before.pop("lstm", None)
    assert after == before


def test_what_cannot_be_measured_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="plain torch loop"):
        main(["--only", "nobody"])
    with pytest.raises(SystemExit, match=r"no .*bench\.json"):
        main(["--out", str(tmp_path), "--parts", "lstm"])
