import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, norm

from faceleak.metrics.epsilon import clopper_pearson_epsilon, one_run_bound, one_run_epsilon, one_run_p_value
from faceleak.metrics.roc import MetricError

BOUNDS = (clopper_pearson_epsilon, one_run_epsilon)


def randomised_response(epsilon, examples, seed):
    """Each label is told truly with e^ε / (1 + e^ε): exactly ε-differentially private."""
    generator = np.random.default_rng(seed)
    is_member = generator.random(examples) < 0.5
    told = is_member ^ (generator.random(examples) > 1 / (1 + np.exp(-epsilon)))
    return told.astype(float), is_member


def gaussian(mu, examples, seed):
    generator = np.random.default_rng(seed)
    is_member = generator.random(examples) < 0.5
    return generator.normal(size=examples) + mu * is_member, is_member


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("epsilon", [0.0, 1.0, 3.0])
def test_the_bound_lies_below_the_epsilon_of_randomised_response(bound, epsilon):
    bounds = np.array([bound(*randomised_response(epsilon, 300, seed)) for seed in range(250)])
    assert (bounds <= epsilon).mean() >= 0.95
    assert (bounds >= 0).all()


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_with_many_samples_it_comes_near(bound, epsilon):
    assert 0.93 * epsilon - 0.03 < bound(*randomised_response(epsilon, 60_000, 0)) <= epsilon


@pytest.mark.parametrize("bound", BOUNDS)
def test_choosing_among_many_thresholds_does_not_spoil_the_bound(bound):
    # a shift by µ = 1 is (ε, δ)-differentially private with this δ (Balle and Wang 2018)
    epsilon, mu = 1.0, 1.0
    delta = norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)
    bounds = np.array([bound(*gaussian(mu, 400, seed), delta=delta) for seed in range(60)])
    assert (bounds <= epsilon).mean() >= 0.95


@pytest.mark.parametrize("bound", BOUNDS)
def test_scores_without_information_show_nothing(bound):
    bounds = np.array([bound(*gaussian(0.0, 200, seed)) for seed in range(100)])
    assert (bounds == 0).mean() >= 0.95


def test_a_clopper_pearson_bound_by_hand():
    # 100 of 100 judged members and none of 100 judged non-members reach the threshold
    scores, is_member = np.repeat([1.0, 0.0], 200), np.repeat([True, False], 200)
    expected = np.log((beta.ppf(0.025, 100, 1) - 0.01) / beta.ppf(0.975, 1, 100))
    assert clopper_pearson_epsilon(scores, is_member, delta=0.01) == pytest.approx(expected)


def test_members_who_hide_show_on_the_other_side():
    # no non-member is called a member, but few members are either: only TNR / FNR or TPR / FPR alone tells
    generator = np.random.default_rng(0)
    is_member = np.arange(4000) < 2000
    top = np.where(is_member & (generator.random(4000) < 0.1), 10.0, generator.normal(size=4000))
    bottom = np.where(~is_member & (generator.random(4000) < 0.1), -10.0, generator.normal(size=4000))
    for scores in (top, bottom):
        assert clopper_pearson_epsilon(scores, is_member) > 2.5


def test_the_published_example_of_one_run():
    # Appendix D of arXiv 2305.08846: 75 of 100 guesses right, of 1000 examples, δ = 1e-4, 95 %
    assert one_run_bound(1000, 100, 75, 1e-4, 0.95) == pytest.approx(0.673, abs=5e-4)


def slow_p_value(examples, guesses, correct, epsilon, delta):
    right = np.exp(epsilon) / (1 + np.exp(epsilon))
    chances = [binom.pmf(k, guesses, right) for k in range(guesses + 1)]
    just_below = [sum(chances[correct - i : correct]) / i for i in range(1, correct + 1)]
    return min(1.0, sum(chances[correct:]) + 2 * examples * delta * max(just_below, default=0))


@given(st.integers(1, 40), st.data(), st.floats(0, 5), st.sampled_from([0.0, 1e-5, 1e-3]))
def test_the_p_value_agrees_with_its_formula(guesses, data, epsilon, delta):
    correct = data.draw(st.integers(0, guesses))
    expected = slow_p_value(50, guesses, correct, epsilon, delta)
    assert one_run_p_value(50, guesses, correct, epsilon, delta) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 200), st.data(), st.sampled_from([0.0, 1e-5, 1e-3]), st.sampled_from([0.9, 0.95, 0.999]))
def test_every_epsilon_below_the_bound_is_contradicted(guesses, data, delta, confidence):
    correct = data.draw(st.integers(guesses // 2, guesses))
    bound = one_run_bound(200, guesses, correct, delta, confidence)
    below = [one_run_p_value(200, guesses, correct, epsilon, delta) for epsilon in np.linspace(0, bound, 20)[:-1]]
    assert bound == 0 or max(below) < 1 - confidence
    assert one_run_p_value(200, guesses, correct, bound + 1e-5, delta) >= (1 - confidence) * (1 - 1e-3)


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_larger_delta_or_confidence_claims_less(bound):
    scores, is_member = randomised_response(2.0, 4000, 0)
    plain = bound(scores, is_member)
    assert bound(scores, is_member, delta=1e-3) < plain
    assert bound(scores, is_member, confidence=0.999) < plain


@pytest.mark.parametrize("bound", BOUNDS)
def test_copies_of_a_person_are_no_evidence(bound):
    false_claims, trusting = 0, 0
    for seed in range(40):
        scores, is_member = randomised_response(0.0, 40, seed)
        people = np.repeat(np.arange(40), 25)
        scores, is_member = scores[people], is_member[people]
        false_claims += bound(scores, is_member, identities=people) > 0
        trusting += bound(scores, is_member) > 0
    assert false_claims <= 2
    assert trusting >= 6


@pytest.mark.parametrize("bound", BOUNDS)
def test_neither_the_order_of_the_images_nor_their_labels_decide_ties(bound):
    scores, is_member = randomised_response(1.0, 500, 0)
    people = np.arange(500) // 2
    order = np.random.default_rng(0).permutation(500)
    expected = bound(scores, is_member, identities=people)
    assert bound(scores[order], is_member[order], identities=people[order]) == expected
    assert bound(np.zeros(400), np.arange(400) < 200) == 0


def test_a_majority_of_members_is_no_evidence():
    generator = np.random.default_rng(0)
    assert one_run_epsilon(generator.normal(size=1000), np.arange(1000) < 950) == 0


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"delta": 1.0}, "δ = 1.0"),
        ({"delta": -0.1}, "δ = -0.1"),
        ({"confidence": 1.0}, "confidence 1.0"),
        ({"scores": np.full(10, np.nan)}, "10 of 10 scores are NaN"),
        ({"identities": np.arange(9)}, r"found identities of shape \(9,\)"),
        ({"identities": np.array([None, *range(9)], dtype=object)}, "found 1 missing"),
        ({"is_member": np.ones(10, bool)}, "10 members and 0 non-members"),
    ],
)
def test_input_that_bounds_nothing_is_refused(bound, changed, message):
    given = {"scores": np.arange(10.0), "is_member": np.arange(10) < 5}
    with pytest.raises(MetricError, match=message):
        bound(**given | changed)


def test_too_few_people_and_shares_that_are_none_are_refused():
    scores, is_member = np.arange(10.0), np.arange(10) < 5
    with pytest.raises(MetricError, match="1 members and 1 non-members are left"):
        clopper_pearson_epsilon(scores, is_member, identities=np.arange(10) // 5)
    with pytest.raises(MetricError, match="guesses need both"):
        one_run_epsilon(scores, is_member, identities=np.zeros(10))
    for shares in ((), (0.0,), (1.5,)):
        with pytest.raises(MetricError, match="Shares of guesses"):
            one_run_epsilon(scores, is_member, shares=shares)
