"""A short run of every group that starts no workflow; ``make hostile`` is the long one. Another
seed: ``python -m tests.hostile --seed 1``."""

import logging
from contextlib import contextmanager

import pytest

from perfedavg.data import download, members
from tests.hostile.__main__ import GROUPS
from tests.hostile.oracle import run
from tests.hostile.servers import LIMITS


@contextmanager
def as_before(module, names):
    """What a trial sets lower is as it was."""
    before = {name: getattr(module, name) for name in names}
    yield
    for name, value in before.items():
        setattr(module, name, value)


@pytest.mark.filterwarnings("ignore")  # of libraries, about what they are given
@pytest.mark.parametrize("name", [name for name, group in GROUPS.items() if group.few])
def test_hostile(name, tmp_path):
    logging.getLogger("perfedavg").setLevel(logging.CRITICAL)
    group = GROUPS[name]
    with as_before(download, LIMITS), as_before(members, ["UNPACKED_BYTES"]):
        counts, failed = run(name, group, group.few, 0, tmp_path)
    assert failed == []
    assert counts["tried"] == counts["survived"] == group.few
