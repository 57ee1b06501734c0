"""The project meets a file of the user's, as its workflow would."""

import unicodedata

import numpy as np

from perfedavg.data import members
from perfedavg.data.sets import data_set
from perfedavg.data.store import ClientStore, write_store
from tests.data.published import make_writers
from tests.hostile.oracle import WrongError, judge

CONTROLS = {"Cc", "Cs", "Zl", "Zp"}  # what breaks a line of a table or of a message
EMNIST = data_set({"dataset": "emnist62"})
WRITERS = make_writers({"f0001_01": (4, 2), "f0002_02": (3, 1), "f0003_03": (2, 2)})
TRUTH, VALID, REFUSED = "truth", "valid", "refused"  # what may come of it; a sentence always may
MOST = 4 * 10**6  # bytes unpacked of an archive, so that a bomb is small


def stored(path, folder):
    """The store of what lies at a path, as the workflow makes it."""
    members.UNPACKED_BYTES = MOST
    clients = EMNIST.clients(path, folder / "scratch")
    write_store(folder / "store", clients, EMNIST.num_classes, EMNIST.metadata)
    return ClientStore(folder / "store")


def met(path, folder, may, writers=WRITERS, where=None):
    """The project meets a file; see ``TRUTH``."""

    def right(store):
        got = {c.client_id: c for c in map(store.client, range(len(store)))}
        for name, c in got.items():
            labels = np.concatenate([c.train_y, c.test_y])
            if {unicodedata.category(char) for char in name} & CONTROLS:
                return False
            if len(labels) and not 0 <= labels.min() <= labels.max() < 62:
                return False
        if may == TRUTH:
            return {name: as_lists(c) for name, c in got.items()} == {
                name: as_lists(pair) for name, pair in writers.items()
            }
        return may == VALID

    judge(lambda: stored(path, folder), where or (path,), right)
    left = [*folder.glob("scratch/*"), *folder.glob("scratch/.*"), *folder.glob("store/.*")]
    if (
        left
        or (folder / "store/examples.arrow").exists() != (folder / "store/clients.arrow").exists()
    ):
        raise WrongError(f"left over: {left}")


def as_lists(client):
    """Values of a client of the store, or of what was written."""
    if not isinstance(client, tuple):
        parts = (client.train_x, client.train_y, client.test_x, client.test_y)
    else:
        empty = (np.zeros((0, 28, 28)), np.zeros(0))
        parts = [array for split in client for array in (split or empty)]
    return [part.tolist() for part in parts]


def shaken(rng, content):
    """Bytes changed, taken away or added anywhere."""
    content, place = bytearray(content), rng.randrange(len(content))
    how = rng.choice(["bit", "bits", "block", "cut", "hole", "more", "head", "zeros"])
    if how in ("bit", "bits", "head"):
        for _ in range(20 if how == "bits" else 1):
            at = rng.randrange(min(64, len(content)) if how == "head" else len(content))
            content[at] ^= 1 << rng.randrange(8)
    elif how == "block":
        content[place : place + 64] = rng.randbytes(64)
    elif how == "zeros":
        content[place:] = bytes(len(content) - place)
    elif how == "cut":
        del content[place:]
    elif how == "hole":
        del content[place : place + rng.randrange(1, 2000)]
    else:
        content += rng.randbytes(rng.randrange(1, 3000))
    return bytes(content), how
