from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import accuracy_score, roc_auc_score

from faceleak.metrics.intervals import Interval, rate_interval, resampling_weights
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError, auc
from faceleak.metrics.verification import (
    cosine_similarities,
    embedding_metrics,
    fold_accuracies,
    lfw_accuracy,
    normalize_rows,
    sample_pairs,
    threshold_at_far,
    verification_auc_differences,
    verification_auc_interval,
    verification_metrics,
)

EMBEDDINGS = np.array([[2.0, 0.0], [3.0, 4.0], [0.0, 0.5]])
IDENTITIES = np.array(["a", "a", "b"])


def similarities(embeddings):
    """Of every two embeddings, computed at once."""
    unit = normalize_rows(embeddings)
    return (unit @ unit.T)[np.triu_indices(len(unit), 1)]


def test_pairs_and_metrics_by_hand():
    first, second = sample_pairs(IDENTITIES, maximum_pairs=3, seed=0)
    same_person, similarity = IDENTITIES[first] == IDENTITIES[second], cosine_similarities(EMBEDDINGS, first, second)
    assert same_person.tolist() == [True, False, False]
    np.testing.assert_allclose(similarity, [0.6, 0.0, 0.8])
    assert verification_metrics(same_person, similarity) == {"verification_auc": 0.5, "tar_at_far_0.1pct": None}


@pytest.mark.parametrize(("impostors", "tar"), [(1998, None), (1999, 0.75)])
def test_tar_at_a_far_of_one_in_a_thousand_allows_one_impostor_of_two_thousand(impostors, tar):
    similarity = np.concatenate([[0.95, 0.85, 0.75, 0.85], [0.9, 0.8], np.zeros(impostors - 2)])
    metrics = verification_metrics(np.arange(len(similarity)) < 4, similarity)
    assert metrics["tar_at_far_0.1pct"] == tar


def test_the_length_of_an_embedding_does_not_matter():
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(12, 5)).astype(np.float32)
    scaled = embeddings * generator.uniform(0.1, 10, size=(12, 1)).astype(np.float32)
    np.testing.assert_allclose(similarities(scaled), similarities(embeddings), atol=1e-6)


def test_chosen_pairs_have_the_similarity_of_all_pairs(monkeypatch):
    monkeypatch.setattr("faceleak.metrics.verification._PAIRS_PER_BLOCK", 7)
    embeddings = np.random.default_rng(0).normal(size=(12, 5))
    first, second = np.triu_indices(12, 1)
    np.testing.assert_allclose(cosine_similarities(embeddings, first, second), similarities(embeddings), atol=1e-12)


@pytest.mark.parametrize("broken", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_an_embedding_without_direction_is_refused(broken):
    with pytest.raises(MetricError, match="1 of 2 embeddings are zero, NaN or infinite"):
        normalize_rows(np.array([[1.0, 0.0], broken]))


def test_wrong_shapes_are_refused():
    with pytest.raises(MetricError, match=r"must be \(n, d\)"):
        normalize_rows(np.ones(3))


@pytest.mark.parametrize("same_person", [[True, True], [False, False]])
def test_one_kind_of_pair_is_not_enough(same_person):
    with pytest.raises(MetricError, match="genuine and"):
        verification_metrics(np.array(same_person), np.array([0.1, 0.2]))


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=25), st.integers(2, 350), st.integers(0, 3))
def test_sampled_pairs_are_different_pairs_and_as_many_of_each_kind_as_promised(people, maximum_pairs, seed):
    identities = np.array(people)
    first, second = sample_pairs(identities, maximum_pairs, seed)
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    everything = list(combinations(range(len(people)), 2))
    assert len(set(pairs)) == len(pairs) == min(maximum_pairs, len(everything))
    assert set(pairs) <= set(everything)
    all_genuine = sum(people[i] == people[j] for i, j in everything)
    genuine = int((identities[first] == identities[second]).sum())
    assert genuine >= min(all_genuine, maximum_pairs // 2)
    assert len(pairs) - genuine >= min(len(everything) - all_genuine, maximum_pairs - maximum_pairs // 2)


def test_every_impostor_pair_is_equally_likely():
    identities = np.array([2, 0, 1, 0, 2, 1, 3])  # 3 genuine and 18 impostor pairs
    for maximum_pairs, impostors in ((8, 5), (15, 12)):  # by rejection and by permutation
        chosen = np.zeros((7, 7))
        for seed in range(2000):
            np.add.at(chosen, sample_pairs(identities, maximum_pairs, seed), 1)
        genuine = np.triu(identities[:, None] == identities, 1)
        assert (chosen[genuine] == 2000).all()
        share = chosen[np.triu(~genuine, 1)] / 2000
        np.testing.assert_allclose(share, impostors / 18, atol=4 * np.sqrt(0.25 / 2000))


def test_sampling_is_decided_by_the_seed_and_works_where_all_pairs_would_not_fit():
    identities = np.repeat(np.arange(100_000), 5)  # 1.2e11 pairs
    first, second = sample_pairs(identities, 20_000, seed=1)
    again, other = sample_pairs(identities, 20_000, seed=1), sample_pairs(identities, 20_000, seed=2)
    assert (identities[first] == identities[second]).sum() == 10_000
    assert len(np.unique(np.stack([first, second]), axis=1).T) == 20_000
    np.testing.assert_array_equal(again, (first, second))
    assert (other[0] != first).any()


def test_room_for_one_pair_is_refused():
    with pytest.raises(MetricError, match="Allow at least 2"):
        sample_pairs(IDENTITIES, 1, seed=0)


def slow_share(similarity, threshold):
    return sum(value >= threshold for value in similarity) / len(similarity)


@given(st.lists(st.integers(-5, 5), min_size=10, max_size=60), st.sampled_from([0.1, 0.29, 0.5, 0.9]))
def test_the_threshold_is_the_smallest_that_keeps_the_rate(values, far):
    similarity = np.array(values) / 10
    threshold = threshold_at_far(similarity, far)
    assert slow_share(similarity, threshold) <= far + 1e-9
    assert slow_share(similarity, np.nextafter(threshold, -np.inf)) > far + 1e-9


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_a_threshold_holds_in_the_precision_of_its_similarities(precision):
    similarity = np.array([0.9, 0.7, 0.7, *[0.1] * 7], dtype=precision)
    threshold = threshold_at_far(similarity, 0.2)
    assert (similarity >= threshold).sum() == 1  # the two at 0.7 come together and would make 30 %
    assert threshold == pytest.approx(0.7, abs=1e-6)


def test_an_allowed_number_of_impostors_is_not_lost_to_rounding():
    similarity = np.arange(100.0)
    assert 0.29 * 100 < 29
    assert (similarity >= threshold_at_far(similarity, 0.29)).sum() == 29


def test_a_rate_needs_enough_impostors():
    similarity = np.linspace(0, 1, 999)
    with pytest.raises(MetricError, match=r"999 impostor pairs cannot show .* 0\.001: at least 1000"):
        threshold_at_far(similarity, 0.001)
    thousand = np.linspace(0, 1, 1000)
    assert thousand[-2] < threshold_at_far(thousand, 0.001) < thousand[-1]


@pytest.mark.parametrize("far", [0.0, 1.0, -0.1, np.nan])
def test_a_rate_outside_its_range_is_refused(far):
    with pytest.raises(MetricError, match="must lie between 0 and 1"):
        threshold_at_far(np.linspace(0, 1, 100), far)


def test_broken_impostor_similarities_are_refused():
    with pytest.raises(MetricError, match="1 of 100 impostor similarities"):
        threshold_at_far(np.array([np.nan, *[0.1] * 99]), 0.1)


def simulated_pairs(seed, people=40, images=3, noise=0.8):
    """Pair one-dimensional traits: similarity is minus the distance, of one person's images or of two people's."""
    generator = np.random.default_rng(seed)
    identities = np.repeat(np.arange(people), images)
    trait = generator.normal(size=people)[identities] + noise * generator.normal(size=len(identities))
    first, second = np.triu_indices(len(identities), 1)
    similarity = -np.abs(trait[first] - trait[second])
    return identities[first] == identities[second], similarity, identities[first], identities[second]


def test_the_interval_over_people_holds_the_true_auc():
    # genuine and impostor distances are |N(0, a²)| and |N(0, b²)|: P(genuine < impostor) = 2/π · atan(b/a)
    true_auc = 2 / np.pi * np.arctan(np.sqrt((1 + 0.8**2) / 0.8**2))
    options = BootstrapOptions(resamples=100)
    intervals = [verification_auc_interval(*simulated_pairs(seed), options) for seed in range(80)]
    values = np.array([interval.value for interval in intervals])
    assert values.mean() == pytest.approx(true_auc, abs=0.01)
    assert np.mean([interval.low <= true_auc <= interval.high for interval in intervals]) >= 0.88
    # weighing genuine pairs by k² would make it a third too wide; resampling pairs, far too narrow
    width = np.mean([interval.high - interval.low for interval in intervals])
    assert width == pytest.approx(2 * norm.ppf(0.975) * values.std(), rel=0.15)


def test_a_person_drawn_k_times_stands_for_k_people():
    same_person, similarity, first, second = simulated_pairs(0, people=12)
    options = BootstrapOptions(resamples=100)
    resampled = []
    for counts in resampling_weights(np.arange(12), np.ones(12, bool), 100, options.seed):
        genuine = np.repeat(similarity[same_person], counts[first[same_person]])
        impostor = np.repeat(similarity[~same_person], counts[first[~same_person]] * counts[second[~same_person]])
        is_genuine = np.arange(len(genuine) + len(impostor)) < len(genuine)
        resampled.append(roc_auc_score(is_genuine, np.concatenate([genuine, impostor])))
    interval = verification_auc_interval(same_person, similarity, first, second, options)
    expected = rate_interval(interval.value, np.array(resampled), 12, 0.95)
    np.testing.assert_allclose([interval.low, interval.high], [expected.low, expected.high])


def test_no_resample_loses_the_genuine_pairs():
    same_person, similarity, first, second = simulated_pairs(0, people=12)
    kept = ~same_person | (first == 0)  # genuine pairs of one person only: a plain draw of people often misses them
    pairs = (array[kept] for array in (same_person, similarity, first, second))
    interval = verification_auc_interval(*pairs, BootstrapOptions(resamples=200))
    assert interval.low < interval.high


def test_a_difference_on_the_same_pairs_is_known_better_than_either_value():
    same_person, similarity, first, second = simulated_pairs(0)
    options = BootstrapOptions(resamples=200)
    noise = np.random.default_rng(0).normal(size=len(similarity)) * similarity.std()
    others = {"same": similarity.copy(), "noisy": similarity + noise, "scaled": 3 * similarity + 1}
    differences = verification_auc_differences(same_person, similarity, others, first, second, options)
    for unchanged in ("same", "scaled"):
        assert differences[unchanged] == Interval(0.0, 0.0, 0.0)
    noisy = differences["noisy"]
    assert noisy.value == auc(others["noisy"], same_person) - auc(similarity, same_person)
    assert noisy.low <= noisy.value <= noisy.high < 0
    own = verification_auc_interval(same_person, similarity, first, second, options)
    assert noisy.high - noisy.low < own.high - own.low


def test_too_few_people_for_an_interval_are_refused():
    with pytest.raises(MetricError, match="show 9 people, too few"):
        verification_auc_interval(*simulated_pairs(0, people=9), BootstrapOptions())


def test_how_much_embeddings_vary_by_hand():
    # mean (0, 2), deviations (±3, 0): spread 3 of a length of √13; the second number is constant
    measured = embedding_metrics(np.array([[3.0, 2.0], [-3.0, 2.0]]))
    assert measured == {"embedding_spread": pytest.approx(3 / np.sqrt(13)), "constant_dimensions": 0.5}
    assert embedding_metrics(np.ones((5, 4))) == {"embedding_spread": 0.0, "constant_dimensions": 1.0}
    assert embedding_metrics(np.zeros((5, 4))) == {"embedding_spread": 0.0, "constant_dimensions": 1.0}


def test_rounding_is_no_variation_and_a_common_shift_hides_none():
    random = np.random.default_rng(0)
    varied = random.normal(size=(50, 8))
    assert embedding_metrics(1 + 1e-7 * varied)["embedding_spread"] < 1e-6
    assert embedding_metrics(varied)["embedding_spread"] > 0.9
    assert embedding_metrics(100 + varied)["constant_dimensions"] == 0


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
