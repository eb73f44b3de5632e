import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, norm

from faceleak.metrics.epsilon import BrokenClaimError, clopper_pearson_epsilon, measure_claims
from faceleak.metrics.roc import MetricError


def randomized_response(epsilon, examples, seed):
    """Each label is told truly with e^ε / (1 + e^ε): exactly ε-differentially private."""
    generator = np.random.default_rng(seed)
    is_member = generator.random(examples) < 0.5
    told = is_member ^ (generator.random(examples) > 1 / (1 + np.exp(-epsilon)))
    return told.astype(float), is_member


def gaussian(mu, examples, seed):
    generator = np.random.default_rng(seed)
    is_member = generator.random(examples) < 0.5
    return generator.normal(size=examples) + mu * is_member, is_member


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 3.0])
def test_the_bound_lies_below_the_epsilon_of_randomized_response(epsilon):
    bounds = np.array([clopper_pearson_epsilon(*randomized_response(epsilon, 300, seed)) for seed in range(250)])
    assert (bounds <= epsilon).mean() >= 0.95
    assert (bounds >= 0).all()


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_with_many_samples_it_comes_near(epsilon):
    assert 0.93 * epsilon - 0.03 < clopper_pearson_epsilon(*randomized_response(epsilon, 60_000, 0)) <= epsilon


def test_choosing_among_many_thresholds_does_not_spoil_the_bound():
    # a shift by µ = 1 is (ε, δ)-differentially private with this δ (Balle and Wang 2018)
    epsilon, mu = 1.0, 1.0
    delta = norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)
    bounds = np.array([clopper_pearson_epsilon(*gaussian(mu, 400, seed), delta=delta) for seed in range(60)])
    assert (bounds <= epsilon).mean() >= 0.95


def test_scores_without_information_show_nothing():
    bounds = np.array([clopper_pearson_epsilon(*gaussian(0.0, 200, seed)) for seed in range(100)])
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


def test_a_larger_delta_or_confidence_claims_less():
    scores, is_member = randomized_response(2.0, 4000, 0)
    plain = clopper_pearson_epsilon(scores, is_member)
    assert clopper_pearson_epsilon(scores, is_member, delta=1e-3) < plain
    assert clopper_pearson_epsilon(scores, is_member, confidence=0.999) < plain


def test_copies_of_a_person_are_no_evidence():
    false_claims, trusting = 0, 0
    for seed in range(40):
        scores, is_member = randomized_response(0.0, 40, seed)
        people = np.repeat(np.arange(40), 25)
        scores, is_member = scores[people], is_member[people]
        false_claims += clopper_pearson_epsilon(scores, is_member, identities=people) > 0
        trusting += clopper_pearson_epsilon(scores, is_member) > 0
    assert false_claims <= 2
    assert trusting >= 6


def test_neither_the_order_of_the_images_nor_their_labels_decide_ties():
    scores, is_member = randomized_response(1.0, 500, 0)
    people = np.arange(500) // 2
    order = np.random.default_rng(0).permutation(500)
    expected = clopper_pearson_epsilon(scores, is_member, identities=people)
    assert clopper_pearson_epsilon(scores[order], is_member[order], identities=people[order]) == expected
    assert clopper_pearson_epsilon(np.zeros(400), np.arange(400) < 200) == 0


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
def test_input_that_bounds_nothing_is_refused(changed, message):
    given = {"scores": np.arange(10.0), "is_member": np.arange(10) < 5}
    with pytest.raises(MetricError, match=message):
        clopper_pearson_epsilon(**given | changed)


def test_too_few_people_are_refused():
    scores, is_member = np.arange(10.0), np.arange(10) < 5
    with pytest.raises(MetricError, match="1 members and 1 non-members are left"):
        clopper_pearson_epsilon(scores, is_member, identities=np.arange(10) // 5)


PEOPLE, IMAGES = 300, 4


def scores_of(gap: float, attack: str = "fused", by_person: bool = True) -> pd.DataFrame:
    """Members' and non-members' images; a member image's score lies `gap` higher."""
    random = np.random.default_rng(0)
    rows = []
    for person in range(2 * PEOPLE):
        member = person < PEOPLE
        for image in range(IMAGES):
            trained = member and image < IMAGES // 2
            population = "member" if trained else "same_identity" if member else "unseen_identity"
            lifted = member if by_person else trained
            rows.append((f"{person}/{image}", f"{person}", population, trained, random.normal() + gap * lifted))
    table = pd.DataFrame(rows, columns=["image_id", "identity", "population", "is_member", "score"])
    return table.assign(
        variant="private", attacker="adaptive", attack=attack, threat_model="partial_knowledge", says_member=False
    )


def claim(unit: str, epsilon: float) -> pd.DataFrame:
    return pd.DataFrame([{"variant": "private", "unit": unit, "epsilon": epsilon, "delta": 1e-5}])


def test_scores_that_tell_nothing_keep_every_claim():
    table = measure_claims(claim("identity", 0.5), scores_of(0.0), "mean")
    assert table["epsilon_lower_bound"].item() < 0.5
    assert table["unit"].item() == "identity"


def test_a_claim_that_people_break_stops_the_run():
    with pytest.raises(BrokenClaimError, match=r"private claims ε = 1 for each identity, but fused_partial_knowledge"):
        measure_claims(claim("identity", 1.0), scores_of(3.0), "mean")
    assert measure_claims(claim("identity", 50.0), scores_of(3.0), "mean")["epsilon_lower_bound"].item() > 1


def test_a_claim_about_images_is_not_judged_by_people():
    by_person, by_image = scores_of(3.0), scores_of(3.0, by_person=False)
    assert measure_claims(claim("image", 1.0), by_person, "mean")["epsilon_lower_bound"].item() < 1
    with pytest.raises(BrokenClaimError, match="each image"):
        measure_claims(claim("image", 0.5), by_image, "mean")


def test_the_strongest_attack_counts_and_many_attacks_share_the_error_rate():
    weak, strong = scores_of(0.0, "weak"), scores_of(2.0, "strong")
    alone = measure_claims(claim("identity", 50.0), strong, "mean")
    together = measure_claims(claim("identity", 50.0), pd.concat([weak, strong]), "mean")
    assert together["attack"].item() == "strong_partial_knowledge_adaptive"
    assert 0 < together["epsilon_lower_bound"].item() < alone["epsilon_lower_bound"].item()


def test_without_claims_there_is_nothing_to_check():
    none = claim("image", 1.0).head(0)
    assert measure_claims(none, scores_of(0.0), "mean").empty
