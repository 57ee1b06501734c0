import numpy as np

from perfedavg.data.describe import ink_and_slant, share_explained


def test_share_explained_against_least_squares_on_dummies():
    rng = np.random.default_rng(0)
    labels, writers = rng.integers(0, 4, 300), rng.integers(0, 6, 300)
    values = 3.0 * labels + rng.normal(size=6)[writers] + rng.normal(size=300)
    within = values.copy()
    class_dummies = np.eye(4)[labels]
    within -= class_dummies @ np.linalg.lstsq(class_dummies, values, rcond=None)[0]
    writer_dummies = np.eye(6)[writers]
    residual = within - writer_dummies @ np.linalg.lstsq(writer_dummies, within, rcond=None)[0]
    r_squared = 1 - (residual**2).sum() / (within**2).sum()
    np.testing.assert_allclose(share_explained(values, labels, writers), r_squared, rtol=1e-10)


def test_ink_and_slant_of_bars():
    images = np.full((3, 28, 28), 255, np.uint8)
    images[0, 4:24, 14] = 0  # upright
    for row in range(4, 24):
        images[1, row, 26 - row] = 0  # leaning right by 45 degrees
        images[2, row, row // 2 + 6] = 0  # leaning left by 1 in 2
    ink, slant = ink_and_slant(images)
    np.testing.assert_allclose(ink, 20 / 784)
    np.testing.assert_allclose(slant, [0, 1, -0.5], atol=0.01)
