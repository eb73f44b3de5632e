import numpy as np
import pytest

from faceleak.metrics import copying
from faceleak.metrics.copying import measure_copying, nearest_rows
from faceleak.metrics.roc import MetricError


def normal(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 8))


def test_the_nearest_rows_are_those_with_the_highest_cosine(monkeypatch):
    features, reference = normal(0, 20), normal(1, 30)
    cosines = (features @ reference.T) / np.outer(np.linalg.norm(features, axis=1), np.linalg.norm(reference, axis=1))
    for cells in (4_000_000, 50):
        monkeypatch.setattr(copying, "CELLS_PER_BLOCK", cells)
        indices, distances = nearest_rows(features, reference)
        np.testing.assert_array_equal(indices, cosines.argmax(1))
        np.testing.assert_allclose(distances, 1 - cosines.max(1))


def test_length_does_not_matter():
    features, reference = normal(0, 20), normal(1, 30)
    np.testing.assert_allclose(nearest_rows(3 * features, reference)[1], nearest_rows(features, reference)[1])


def test_faces_of_others_are_no_copies_and_copies_are():
    training, held_out, samples = normal(0, 300), normal(1, 2000), normal(2, 2000)
    far = nearest_rows(held_out, training)[1]
    of_others = measure_copying(nearest_rows(samples, training)[1], far)
    assert of_others["copied_share"] == pytest.approx(0.01, abs=0.008)
    copies = training[:200] + 0.01 * normal(3, 200)
    copied = measure_copying(nearest_rows(copies, training)[1], far)
    assert copied["copied_share"] == 1
    assert copied["nearest_training_distance"] < 0.01 < copied["nearest_training_distance_held_out"]


def test_half_copies_are_half():
    found = measure_copying(np.array([0.0, 0.0, 0.9, 0.9]), np.linspace(0.4, 0.8, 101))
    assert found == {
        "nearest_training_distance": 0.45,
        "nearest_training_distance_held_out": pytest.approx(0.6),
        "copied_share": 0.5,
    }


def test_nothing_to_compare_is_an_error():
    with pytest.raises(MetricError, match="0 samples and 3 held-out faces"):
        measure_copying(np.empty(0), np.ones(3))
