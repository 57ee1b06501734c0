"""One finished tiny experiment for all tests that leave it as it was."""

import pytest

from tests.workflow.checkout import Checkout


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """The tiny experiment, run once on two cores."""
    checkout = Checkout(tmp_path_factory.mktemp("two-cores"))
    checkout.snakemake("--cores", "2")
    return checkout
