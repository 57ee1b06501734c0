"""One finished tiny experiment for all tests that leave it as it was."""

import pytest

from tests.workflow.checkout import Checkout


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """The tiny experiment, run once on two cores."""
    checkout = Checkout(tmp_path_factory.mktemp("two-cores"))
    checkout.said = checkout.snakemake("--cores", "2").stderr
    return checkout


def pytest_collection_modifyitems(items):
    """With several test processes, one of them has the experiment."""
    for item in items:
        if "done" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("done"))
