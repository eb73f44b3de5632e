import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from faceleak.metrics.lfw_protocol import fold_accuracies, lfw_accuracy
from faceleak.metrics.roc import MetricError


def accuracy(similarity, same_person, folds):
    return float(fold_accuracies(similarity, same_person, folds).mean())


def test_lfw_accuracy_by_hand():
    similarity = np.array([0.9, 0.5, 0.1, 0.2, 0.8, 0.3, 0.4, 0.2])
    same_person = np.array([True, True, False, False, True, True, False, False])
    folds = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    # fold 0 is best split at 0.5, which misses 0.3 of fold 1: 3 of 4. Fold 1 is best split at 0.8 (one error, as at
    # 0.3; the higher is taken), which misses 0.5 of fold 0: 3 of 4
    assert accuracy(similarity, same_person, folds) == 0.75


def test_the_threshold_of_a_fold_does_not_come_from_the_fold():
    same_person = np.array([True, True, False, False] * 2)
    similarity = np.array([0.4, 0.4, 0.3, 0.3, 0.9, 0.9, 0.8, 0.8])  # each fold is separable, by its own threshold
    folds = np.repeat([1, 2], 4)
    assert accuracy(similarity, same_person, folds) == 0.5


def test_similarities_without_information_give_chance():
    generator = np.random.default_rng(0)
    same_person = np.tile([True, False], 3000)
    found = accuracy(generator.normal(size=6000), same_person, np.repeat(np.arange(10), 600))
    assert found == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 6000))


def test_folds_must_hold_both_kinds_and_be_several():
    same_person, similarity = np.array([True, False, True]), np.array([0.9, 0.1, 0.8])
    with pytest.raises(MetricError, match="Found 1 fold"):
        accuracy(similarity, same_person, np.array([0, 0, 0]))
    with pytest.raises(MetricError, match="1 genuine and 0 impostor"):
        accuracy(similarity, same_person, np.array([0, 0, 1]))


def test_the_interval_is_that_of_the_mean_over_folds_by_hand():
    # accuracies 1, 0.5 and 0.75 of three folds of four pairs: mean 0.75, standard error 0.25 / √3
    same_person = np.array([True, True, False, False] * 3)
    similarity = np.array([0.9, 0.9, 0.1, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.9, 0.9, 0.1])
    folds = np.repeat([1, 2, 3], 4)
    np.testing.assert_array_equal(fold_accuracies(similarity, same_person, folds), [1, 0.5, 0.75])
    interval = lfw_accuracy(similarity, same_person, folds, level=0.95)
    assert interval.value == 0.75
    half = 4.302653 * 0.25 / np.sqrt(3)  # Student's t with two degrees of freedom
    assert interval.low == pytest.approx(0.75 - half, abs=1e-6)
    assert interval.high == pytest.approx(min(1, 0.75 + half), abs=1e-6)


@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=8, max_size=40), st.integers(2, 4))
def test_no_other_threshold_is_better_on_the_other_folds(pairs, count):
    similarity = np.array([value for value, _ in pairs] * count, float)
    same_person = np.array([True, False, *(same for _, same in pairs[2:])] * count)
    folds = np.repeat(np.arange(count), len(pairs))
    found = fold_accuracies(similarity, same_person, folds)
    best = max(accuracy_score(same_person, similarity >= threshold) for threshold in [np.inf, *np.unique(similarity)])
    assert found == pytest.approx([best] * count)  # all folds are alike


def test_a_similarity_that_is_no_number_is_refused():
    with pytest.raises(MetricError, match="NaN or infinite"):
        fold_accuracies(np.array([0.1, np.nan, 0.2, 0.3]), np.array([True, False] * 2), np.array([0, 0, 1, 1]))
