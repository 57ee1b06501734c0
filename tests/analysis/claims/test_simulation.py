"""The simulation through the deciding functions, with fewer replications than the command's."""

import pytest

from perfedavg.analysis.claims.simulation import cells, keeps, share

CELLS = {cell.name: cell for cell in cells()}


@pytest.mark.parametrize("name", [c.name for c in cells() if c.group == "wrong methods"])
def test_wrong_methods_fall_out_of_their_bounds(name):
    cell = CELLS[name]
    assert keeps(cell, share(cell, 600, seed=1))


@pytest.mark.parametrize(
    "name",
    [
        "both, 5 seeds",
        "ratio 3, 5 seeds",
        "all effects 0: any supported",
        "all effects m: any refuted",
        "effect 2 m: supported",
        "effect -1 m: refuted",
        "two tied: supported",
    ],
)
def test_right_methods_keep_theirs(name):
    cell = CELLS[name]
    # Three standard errors of so few replications.
    room = 300 * (0.05 * 0.95 / 600) ** 0.5
    percent = share(cell, 600, seed=1)
    assert cell.low is None or percent > cell.low - room
    assert cell.high is None or percent < cell.high + room
