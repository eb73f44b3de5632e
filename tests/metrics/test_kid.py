import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel

from faceleak.metrics import kid as module
from faceleak.metrics.kid import kid, measure_kid, on_sphere, photograph_sets
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError

OPTIONS = BootstrapOptions(resamples=100)


def normal(seed: int, count: int, size: int = 6, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, size))


def by_sklearn(first: np.ndarray, second: np.ndarray) -> float:
    """The unbiased estimate, eq. 4 of 1801.01401, written out."""
    n, m = len(first), len(second)
    own, other = polynomial_kernel(first, degree=3, coef0=1), polynomial_kernel(second, degree=3, coef0=1)
    between = polynomial_kernel(first, second, degree=3, coef0=1)
    within = (own.sum() - np.trace(own)) / (n * (n - 1)) + (other.sum() - np.trace(other)) / (m * (m - 1))
    return float(within - 2 * between.mean())


@given(seed=st.integers(0, 10_000), n=st.integers(4, 30), m=st.integers(4, 30), shift=st.floats(-1, 1))
def test_it_agrees_with_sklearn(seed, n, m, shift):
    first, second = normal(seed, n), normal(seed + 1, m, shift=shift)
    assert kid(first, second, OPTIONS).value == pytest.approx(by_sklearn(first, second), rel=1e-9, abs=1e-9)


def test_a_value_by_hand():
    # d = 1: within each side every kernel is k(0, 0) = 1 and k(1, 1) = 8, across k(0, 1) = 1; 1 + 8 − 2·1 = 7
    found = kid(np.zeros((4, 1)), np.ones((5, 1)), OPTIONS)
    assert (found.value, found.low, found.high) == (7, 7, 7)


def test_one_distribution_gives_zero_within_its_interval_and_no_bias():
    found = [kid(normal(seed, 60), normal(seed + 1000, 50), OPTIONS) for seed in range(80)]
    inside = np.mean([interval.low <= 0 <= interval.high for interval in found])
    values = np.array([interval.value for interval in found])
    assert inside >= 0.95
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    assert 0.3 < (values < 0).mean() < 0.8  # an estimate cut off at 0 would never be below


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_gives_a_positive_distance_that_grows(seed):
    reference = normal(seed, 200)
    distances = [kid(normal(seed + 50, 200, shift=shift), reference, OPTIONS) for shift in (0.3, 0.6, 1.2)]
    assert all(interval.low > 0 for interval in distances)
    assert distances[0].value < distances[1].value < distances[2].value


def test_the_interval_holds_the_true_distance_of_a_shift_about_as_often_as_it_says():
    truth = np.mean([by_sklearn(normal(s, 300, 3, shift=0.5), normal(s + 1, 300, 3)) for s in range(1000, 1100, 2)])
    found = [kid(normal(s, 100, 3, shift=0.5), normal(s + 500, 100, 3), OPTIONS) for s in range(10, 130)]
    assert 0.88 <= np.mean([interval.low <= truth <= interval.high for interval in found]) <= 1


def test_rows_of_one_person_are_no_draws_of_their_own():
    def people(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Four images a person, which hardly differ."""
        names = np.repeat(np.arange(count), 4)
        return normal(seed, count)[names] + 0.05 * normal(seed + 1, 4 * count), names

    grouped, single = [], []
    for seed in range(0, 60, 2):
        (first, who), second = people(seed, 15), normal(seed + 500, 60)
        grouped.append(kid(second, first, OPTIONS, reference_people=who))
        single.append(kid(second, first, OPTIONS).value)
    assert np.mean([interval.low <= 0 <= interval.high for interval in grouped]) >= 0.9
    spread = np.std([interval.value for interval in grouped]) / np.sqrt(len(grouped))
    assert abs(np.mean([interval.value for interval in grouped])) < 3 * spread
    assert np.mean(single) > 3 * spread  # what would be taken for a distance


def test_blocks_change_nothing(monkeypatch):
    first, second = normal(0, 40), normal(1, 30, shift=0.2)
    names = np.arange(40) // 2
    whole = kid(first, second, OPTIONS, sample_people=names)
    monkeypatch.setattr(module, "CELLS_PER_BLOCK", 100)
    parts = kid(first, second, OPTIONS, sample_people=names)
    assert [parts.value, parts.low, parts.high] == pytest.approx([whole.value, whole.low, whole.high])


def test_order_and_sides_change_nothing():
    first, second = normal(0, 40), normal(1, 30, shift=0.2)
    assert kid(first[::-1], second, OPTIONS).value == pytest.approx(kid(first, second, OPTIONS).value)
    assert kid(second, first, OPTIONS).value == pytest.approx(kid(first, second, OPTIONS).value)
    assert kid(first, second, OPTIONS) == kid(first, second, OPTIONS)


def test_on_the_sphere_the_kernel_is_that_of_the_cosine():
    first, second = normal(0, 5), 7 * normal(1, 4)
    cosines = (first @ second.T) / np.outer(np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1))
    np.testing.assert_allclose(module.polynomial_kernel(on_sphere(first), on_sphere(second)), (cosines + 1) ** 3)


def test_what_cannot_be_compared_is_an_error():
    features = normal(0, 10)
    with pytest.raises(MetricError, match=r"\(10, 6\) and \(10, 5\) cannot be compared"):
        kid(features, features[:, :5], OPTIONS)
    with pytest.raises(MetricError, match="3 people on one side are too few"):
        kid(features, features[:3], OPTIONS)
    with pytest.raises(MetricError, match="10 features and 9 people"):
        kid(features, features, OPTIONS, sample_people=np.arange(9))
    with pytest.raises(MetricError, match="1 images have features that are NaN"):
        kid(np.where(np.arange(10)[:, None] == 3, np.nan, features), features, OPTIONS)


CENTERS = {"same_identity": 0.0, "unseen_identity": 1.5, "member": 9.0, "public": -1.5}


def draw(seed: int, center: float, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, 8)) + center * np.eye(8)[0]


@pytest.fixture
def people() -> pd.DataFrame:
    """Twenty people a role, three images each, around a center of the role's own."""
    tables = []
    for seed, (role, center) in enumerate(CENTERS.items()):
        persons = draw(seed, center, 20).repeat(3, axis=0)
        images = persons + 0.1 * draw(seed + 10, 0, 60)
        names = [f"{role}_{place // 3}" for place in range(60)]
        tables.append(pd.DataFrame({"identity": names, "role": role, "embedding": list(images)}))
    return pd.concat(tables, ignore_index=True)


def test_faces_are_near_to_the_people_whom_they_are_like(people: pd.DataFrame) -> None:
    sets = photograph_sets(people, OPTIONS)
    assert list(sets) == ["members", "controls", "public"]
    found = measure_kid(7 * draw(50, 0.0, 60), sets)  # the length of an embedding says nothing
    assert set(found) == {f"kid_to_{kind}{end}" for kind in sets for end in ("", "_ci_low", "_ci_high")}
    assert found["kid_to_members_ci_low"] < 0 < found["kid_to_members_ci_high"]
    assert found["kid_to_controls_ci_low"] > 0
    assert found["kid_to_public_ci_low"] > 0
    like_controls = measure_kid(draw(51, 1.5, 60), sets)
    assert like_controls["kid_to_controls"] < like_controls["kid_to_members"]


def test_a_search_that_ends_in_one_face_is_far_from_the_people(people: pd.DataFrame) -> None:
    sets = photograph_sets(people, OPTIONS)
    one_face = draw(50, 0.0, 1).repeat(60, axis=0) + 0.01 * draw(51, 0, 60)
    assert measure_kid(one_face, sets)["kid_to_members_ci_low"] > 0.3


def test_large_sets_are_thinned_evenly_and_small_ones_left_out(people: pd.DataFrame, monkeypatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 20)
    few = people[(people["role"] != "public") | people["identity"].isin(["public_0", "public_1", "public_2"])]
    sets = photograph_sets(few.sample(frac=1, random_state=0), OPTIONS)
    assert list(sets) == ["members", "controls"]
    assert sets["members"].features.shape == (20, 8)
    assert len(np.unique(sets["members"]._side.people)) >= 18
    assert measure_kid(draw(0, 0, 3), sets) == {}
