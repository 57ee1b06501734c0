"""The table and figure of n-grams and networks."""

import numpy as np
import pandas as pd
import pytest

from perfedavg.analysis.figures import ngrams as figure
from perfedavg.analysis.tables import ngrams
from perfedavg.data.store import ClientExamples, write_store
from perfedavg.storage.tables import read_table, write_table
from tests.analysis.test_paired import REFERENCE, RUNS, SELECTION, rows

# The training client says 1 2 1 2 ..., once a 3; evaluation clients A and B too, B less so.
SPLIT = pd.DataFrame({"client_index": [2, 0, 1], "client_group": ["training", *["evaluation"] * 2]})


@pytest.fixture
def table(tmp_path):
    sequences = {
        "A": ([[1, 2, 1, 2]], [[2, 1, 2, 1]]),
        "B": ([[1, 2, 3, 1]], [[2, 3, 1, -1]]),
        "T": ([[1, 2, 1, 2], [1, 2, 1, 3]], [[2, 1, 2, 1], [2, 1, 3, 1]]),
    }
    clients = []
    for name, (x, y) in sequences.items():
        x, y = np.array(x, dtype=np.int16), np.array(y)
        clients.append(ClientExamples(name, x, y, x, y))
    write_store(tmp_path, clients, 4, {"dataset": "shakespeare"})
    evaluation = rows()
    runs = RUNS.assign(clients_per_round=5)
    return ngrams.compute(tmp_path, SPLIT, evaluation, runs, SELECTION, REFERENCE, num_values=4)


def test_n_grams_by_hand(table, tmp_path):
    write_table(ngrams.CONTRACT, table, tmp_path / "ngrams.csv")
    by_model = read_table(ngrams.CONTRACT, tmp_path / "ngrams.csv").set_index("model")
    assert list(by_model.index[:4]) == ["unigram", "bigram", "trigram", "FedAvg, M = 5, E = 10"]
    # Train labels: 1 four times, 2 three times, 3 once, so a unigram says 1: A 2 of 4, B 1 of 3.
    assert by_model.initial_mean["unigram"] == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert by_model.initial_pooled_mean["unigram"] == pytest.approx(3 / 7)
    # After 1 comes 2, after 2 and 3 comes 1: A all, B 2 1 1 2 for 2 3 1: two of three.
    assert by_model.initial_mean["bigram"] == pytest.approx((1 + 2 / 3) / 2)
    assert by_model.num_clients["trigram"] == 2
    assert by_model.num_seeds["bigram"] == 0
    assert np.isnan(by_model.personalized_mean["bigram"])
    assert np.isnan(by_model.initial_mean["local only"]), "an untrained model's is worth nothing"
    text = ngrams.shown(table).set_index("model")
    assert text.seeds["unigram"] == ""
    assert text["initial accuracy"]["bigram"] == "0.8333"


def test_the_figure_names_every_model(table):
    drawn = figure.draw(table, "a caveat")
    axis = drawn.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == list(table.model)
    assert "a caveat" in drawn.get_supxlabel()
    squares = axis.lines[0].get_xdata()
    assert list(squares) == list(table.initial_mean[:3])
