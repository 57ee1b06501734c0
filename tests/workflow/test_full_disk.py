"""Steps on a disk without room, as in the hostile group of that name."""

import os
from random import Random

import pytest

from tests.hostile.disk import full, refused


@pytest.mark.parametrize("kind", ["the store", "training", "a table"])
def test_a_step_without_room_says_so_and_goes_on_with_room(done, tmp_path, kind):
    if why := refused():  # where CI is root, nothing may be skipped
        (pytest.fail if os.environ.get("DISK_TESTS") == "all" else pytest.skip)(why)
    assert full(Random(0), tmp_path, [""], kind, done), "the disk was full"
