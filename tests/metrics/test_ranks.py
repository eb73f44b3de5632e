import numpy as np
import pytest

from faceleak.metrics.matcher import Gallery, Matcher, build_gallery, build_image_gallery
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.ranks import Ranks, measure_rank_auc, measure_ranks, rank_intended
from faceleak.metrics.roc import MetricError

OPTIONS = BootstrapOptions(resamples=200)
ENDS = ("", "_ci_low", "_ci_high")


def matcher(threshold: float = 0.5, dimensions: int = 5) -> Matcher:
    """Two members, a and b, and two controls, c and d, whose templates are the first four axes."""
    axes = np.eye(dimensions)
    return Matcher(
        Gallery(axes[:2], np.array(["a", "b"])), Gallery(axes[2:4], np.array(["c", "d"])), frozenset(), threshold
    )


def test_ranks_by_hand() -> None:
    faces = np.array(
        [
            [0.9, 0.1, 0.0, 0.2, 0.3],  # a, b, c, d
            [0.9, 0.1, 0.0, 0.2, 0.3],
            [0.1, 0.4, 0.4, 0.2, 0.3],  # b and c are as near: whoever is intended comes last
        ]
    )
    found = rank_intended([faces], np.array(["a", "d", "b"]), [matcher()])
    assert found.values.tolist() == [1, 2, 2]
    assert found.is_member.tolist() == [True, False, True]
    assert found.among == 4


def test_all_judges_rank_together_by_who_says_least_above_its_threshold() -> None:
    first, second = np.array([[0.8, 0.6, 0, 0, 0]]), np.array([[0.3, 0.5, 0.4, 0, 0]])
    first, second = (rows / np.linalg.norm(rows) for rows in (first, second))
    # cosines 0.8, 0.6 and 0.42, 0.71; excess over 0.5: a -0.08, b 0.1; over 0.1 by the second one: a 0.3, b 0.1
    assert rank_intended([first, second], np.array(["a"]), [matcher(), matcher()]).values.tolist() == [2]
    assert rank_intended([first, second], np.array(["a"]), [matcher(), matcher(0.1)]).values.tolist() == [1]


def test_whom_no_gallery_holds_is_left_out() -> None:
    found = rank_intended([np.eye(5)[:3]], np.array(["a", "nobody", "c"]), [matcher()])
    assert found.intended.tolist() == ["a", "c"]
    assert found.values.tolist() == [1, 1]
    assert measure_ranks(found.only(np.zeros(2, bool)), OPTIONS) == {}


def test_people_in_both_galleries_are_refused() -> None:
    both = Matcher(matcher().members, matcher().members, frozenset(), 0.5)
    with pytest.raises(MetricError, match="2 people are in both galleries"):
        rank_intended([np.eye(5)[:1]], np.array(["a"]), [both])


def test_galleries_of_images_stand_beside_each_other_too() -> None:
    images, identities = np.eye(6), np.array(["a", "b", "b", "c", "d", "d"])
    first = build_image_gallery(images[:3], identities[:3])
    together = first.beside(build_image_gallery(images[3:], identities[3:]))
    expected = build_image_gallery(images, identities).similarities(images)
    np.testing.assert_array_equal(together.similarities(images), expected)
    mixed = build_gallery(images[:1], identities[:1]).beside(build_image_gallery(images[1:], identities[1:]))
    np.testing.assert_array_equal(mixed.similarities(images), expected)


def ranks(values: list[float], is_member: list[bool] | None = None, people: list[int] | None = None) -> Ranks:
    number = len(values)
    intended = np.array(people or range(number))
    return Ranks(np.array(values, float), intended, np.array(is_member or [True] * number), 20)


def test_median_and_shares_by_hand() -> None:
    measured = measure_ranks(ranks([1, 3, 5, 7, 11, 20]), OPTIONS)
    assert measured["median_rank"] == 6
    assert measured["cmc_at_1"] == pytest.approx(1 / 6)
    assert measured["cmc_at_5"] == pytest.approx(3 / 6)
    assert measured["cmc_at_10"] == pytest.approx(4 / 6)
    assert measured["people_ranked"] == 20
    names = ("median_rank", "cmc_at_1", "cmc_at_5", "cmc_at_10")
    assert set(measured) == {name + end for name in names for end in ENDS} | {"people_ranked"}
    assert all(measured[f"{name}_ci_low"] <= measured[name] <= measured[f"{name}_ci_high"] for name in names)


def test_the_median_of_a_resample_is_the_median_of_whom_it_draws() -> None:
    from faceleak.metrics.ranks import _medians

    generator = np.random.default_rng(0)
    values, weights = generator.integers(1, 30, 9).astype(float), generator.integers(0, 4, (50, 9)).astype(np.uint8)
    expected = [np.median(np.repeat(values, of_row)) for of_row in weights]
    np.testing.assert_array_equal(_medians(values, weights), expected)


def test_no_interval_is_narrower_than_so_many_people_can_show() -> None:
    measured = measure_ranks(ranks([1.0] * 10), OPTIONS)
    assert measured["cmc_at_1"] == 1
    assert measured["cmc_at_1_ci_low"] < 0.75


def test_faces_of_one_person_are_one_finding() -> None:
    values = [1.0] * 8 + [15.0] * 8
    alone, together = (
        measure_ranks(ranks(values, people=people), OPTIONS) for people in (list(range(16)), [0] * 8 + [1] * 8)
    )
    assert together["cmc_at_1_ci_high"] - together["cmc_at_1_ci_low"] > 0.8
    assert alone["cmc_at_1_ci_high"] - alone["cmc_at_1_ci_low"] < 0.6


def test_members_are_told_from_controls_by_their_ranks() -> None:
    measured = measure_rank_auc(ranks([1, 4, 4, 9], [True, True, False, False]), OPTIONS)
    assert measured["rank_auc"] == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert measured["rank_auc_ci_low"] < measured["rank_auc"] <= measured["rank_auc_ci_high"]
    assert measure_rank_auc(ranks([1, 2]), OPTIONS) == {}


def test_shuffled_people_stand_where_chance_puts_them() -> None:
    generator = np.random.default_rng(0)
    people = generator.normal(size=(40, 8))
    judged = [
        Matcher(
            build_gallery(people[:20], np.arange(20)), build_gallery(people[20:], np.arange(20, 40)), frozenset(), 0.5
        )
    ]
    faces = np.repeat(people, 5, axis=0) + 0.1 * generator.normal(size=(200, 8))
    right = np.repeat(np.arange(40), 5)
    assert measure_ranks(rank_intended([faces], right, judged), OPTIONS)["cmc_at_1"] > 0.95
    expected = {"cmc_at_1": 1 / 40, "cmc_at_5": 5 / 40, "cmc_at_10": 10 / 40, "median_rank": 20.5, "rank_auc": 0.5}
    covered = dict.fromkeys(expected, 0)
    for _ in range(20):
        shuffled = rank_intended([faces], generator.permutation(right), judged)
        measured = measure_ranks(shuffled, OPTIONS) | measure_rank_auc(shuffled, OPTIONS)
        for name, chance in expected.items():
            covered[name] += measured[f"{name}_ci_low"] <= chance <= measured[f"{name}_ci_high"]
    assert min(covered.values()) >= 17, covered
