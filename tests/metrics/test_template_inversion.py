import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.template_inversion import accepted, choose_images, pair_threshold, success_rates


def test_the_threshold_lets_the_given_share_of_pairs_pass() -> None:
    generator = np.random.default_rng(0)
    strangers, people = generator.normal(size=(50, 8)), generator.normal(size=(40, 8))
    threshold = pair_threshold(strangers, people, 0.01)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (strangers, people)]
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
