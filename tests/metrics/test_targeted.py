import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.targeted import (
    accepted,
    choose_images,
    likeness_to_photos,
    measure_difference,
    measure_means,
    measure_verdict,
    pair_threshold,
    success_rates,
)


def test_the_threshold_lets_the_given_share_of_pairs_pass() -> None:
    generator = np.random.default_rng(0)
    non_members, people = generator.normal(size=(50, 8)), generator.normal(size=(40, 8))
    threshold = pair_threshold(non_members, people, 0.01)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (non_members, people)]
    assert (unit[0] @ unit[1].T >= threshold).sum() == 20


def test_all_evaluators_have_to_accept() -> None:
    faces = {"one": np.array([[2.0, 0], [1, 1], [0, 1]]), "two": np.array([[1.0, 0], [1, 0], [1, 0]])}
    images = {"one": np.array([[1.0, 0], [1, 0], [1, 0]]), "two": np.array([[3.0, 0], [0, 1], [1, 0]])}
    assert accepted(faces, images, {"one": 0.5, "two": 0.5}).tolist() == [True, False, False]
    assert accepted(faces, images, {"one": 0.5}).tolist() == [True, True, False]


def test_success_rates_by_hand() -> None:
    rates = success_rates(
        np.array([True, True, True, False]), np.array([True, False, False, False]), BootstrapOptions()
    )
    assert rates["type_1_success_rate"] == 0.75
    assert rates["type_2_success_rate"] == 0.25
    assert rates["type_2_success_rate_ci_low"] < 0.25 < rates["type_2_success_rate_ci_high"]


def test_two_images_of_one_person_in_the_role() -> None:
    identities = [*"aabbbcdd", "a"]
    people = pd.DataFrame(
        {
            "image_id": [f"{identity}{i}" for i, identity in enumerate(identities)],
            "identity": identities,
            "role": ["same_identity"] * 8 + ["member"],
        }
    )
    chosen = choose_images(people, "same_identity", 5, 0)
    assert sorted(chosen["identity"]) == ["a", "b", "d"]  # c has one image
    for column in ("template_image", "other_image"):
        assert (chosen[column].str[0] == chosen["identity"]).all()
        assert "a8" not in set(chosen[column])  # trained on
    assert (chosen["template_image"] != chosen["other_image"]).all()
    assert len(choose_images(people, "same_identity", 2, 0)) == 2
    pd.testing.assert_frame_equal(chosen, choose_images(people, "same_identity", 5, 0))
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(chosen, choose_images(people, "same_identity", 5, 3))


def test_images_belong_to_their_person_in_whatever_order_they_are_drawn() -> None:
    identities = np.repeat(np.arange(30), 3)
    people = pd.DataFrame({"image_id": [f"{i}/{n}" for n, i in enumerate(identities)], "identity": identities})
    for seed in range(3):
        chosen = choose_images(people.assign(role="unseen_identity"), "unseen_identity", 30, seed)
        for column in ("template_image", "other_image"):
            assert (chosen[column].str.split("/").str[0] == chosen["identity"].astype(str)).all()


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
