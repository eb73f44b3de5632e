import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.person_image import likeness_to_photos, measure_difference, measure_means, measure_verdict

OPTIONS = BootstrapOptions(resamples=200)


def test_likeness_and_matches_by_hand() -> None:
    faces = {"one": np.array([[1.0, 0], [0, 2]]), "two": np.array([[1.0, 0], [1, 0]])}
    photos = {"one": np.array([[0.0, 1], [3, 0], [0, 1]]), "two": np.array([[1.0, 0], [1, 0], [0, 1]])}
    found = likeness_to_photos(faces, photos, np.array([1, 0, 0]), {"one": 0.5, "two": 0.5})
    assert found["likeness"].tolist() == [0.5, 1.0]  # person 0 has the second and the third photo
    assert found["match_rate"].tolist() == [0.5, 1.0]


def test_every_evaluator_has_to_accept_a_photo() -> None:
    faces = {"one": np.array([[1.0, 0]]), "two": np.array([[1.0, 0]])}
    photos = {"one": np.array([[1.0, 0]]), "two": np.array([[0.0, 1]])}
    assert likeness_to_photos(faces, photos, np.array([0]), {"one": 0.5, "two": 0.5})["match_rate"].tolist() == [0.0]
    assert likeness_to_photos(faces, photos, np.array([0]), {"one": 0.5})["match_rate"].tolist() == [1.0]


def test_means_and_differences_enclose_what_they_measure() -> None:
    random = np.random.default_rng(0)
    first, second = (pd.DataFrame({"likeness": random.normal(mean, 1, 400)}) for mean in (0.5, 0.0))
    mean = measure_means(first, OPTIONS)
    assert mean["likeness"] == pytest.approx(first["likeness"].mean())
    assert mean["likeness_ci_high"] - mean["likeness_ci_low"] == pytest.approx(4 / 20, rel=0.25)  # ±2 σ/√n
    difference = measure_difference(first, second, OPTIONS)
    assert difference["likeness"] == pytest.approx(first["likeness"].mean() - second["likeness"].mean())
    assert difference["likeness_ci_low"] < 0.5 < difference["likeness_ci_high"]
    width = difference["likeness_ci_high"] - difference["likeness_ci_low"]
    assert width == pytest.approx(4 * np.sqrt(2) / 20, rel=0.25)


def test_a_verdict_is_the_auc_over_people() -> None:
    scores = np.array([3.0, 2, 1, 2.5, 0, -1])
    found = measure_verdict(scores, np.array([True, True, True, False, False, False]), OPTIONS)
    assert found["auc"] == pytest.approx(7 / 9)
    assert found["auc_ci_low"] < 7 / 9 <= found["auc_ci_high"] <= 1
