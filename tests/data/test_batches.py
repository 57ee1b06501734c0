"""Which examples are in which local batch, against a queue that is played out."""

import numpy as np

from perfedavg.data.batches import local_batches


def rng(seed=0):
    return np.random.default_rng(seed)


def test_epochs_mix_before_batching():
    batches = local_batches(7, 4, 1000, rng(), epochs=3)
    assert [len(b) for b in batches] == [4, 4, 4, 4, 4, 1], (
        "21 examples in batches of 4, only the last one smaller"
    )
    assert np.bincount(np.concatenate(batches)).tolist() == [3] * 7, "every example three times"
    many = [local_batches(7, 4, 1000, rng(s), epochs=3) for s in range(50)]
    assert any(len(set(b)) < len(b) for batches in many for b in batches), (
        "a batch can hold an example twice"
    )
    first_epoch = [set(np.concatenate(b)[:7]) for b in many]
    assert any(len(seen) < 7 for seen in first_epoch), "batches span epochs"


def test_shuffle_buffer_against_a_queue_that_is_played_out():
    n, epochs, buffer = 30, 4, 11
    got = np.concatenate(local_batches(n, 8, buffer, rng(3), epochs=epochs))
    generator = rng(3)
    picks = generator.integers(buffer, size=n * epochs - buffer)
    source = iter([i for _ in range(epochs) for i in range(n)])
    slots = [next(source) for _ in range(buffer)]
    expected = []
    for pick in picks:
        expected.append(slots[pick])
        slots[pick] = next(source)
    assert next(source, None) is None
    expected += [slots[i] for i in generator.permutation(buffer)]
    assert got.tolist() == expected
    assert np.bincount(got).tolist() == [epochs] * n


def test_small_buffer_keeps_early_examples_early():
    order = np.concatenate(local_batches(500, 20, 50, rng(), epochs=1))
    position = np.argsort(order)
    assert (position >= np.arange(500) - 49).all(), (
        "nothing leaves the buffer before it can have entered it"
    )
    assert (order != np.sort(order)).any()


def test_every_permutation_is_equally_likely():
    counts = {}
    for seed in range(3000):
        key = tuple(np.concatenate(local_batches(3, 2, 1000, rng(seed), epochs=1)))
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    assert max(abs(c - 500) for c in counts.values()) < 5 * (3000 * (1 / 6) * (5 / 6)) ** 0.5


def test_steps_are_full_batches_repeating_the_data():
    batches = local_batches(7, 4, 1000, rng(), steps=5)
    assert [len(b) for b in batches] == [4] * 5
    assert np.bincount(np.concatenate(batches), minlength=7).max() <= 3
