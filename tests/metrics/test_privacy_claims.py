import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.privacy_claims import BrokenClaimError, measure_claims

PEOPLE, IMAGES = 300, 4


def scores_of(gap: float, attack: str = "fused", by_person: bool = True) -> pd.DataFrame:
    """Members' and strangers' images; a member image's score lies `gap` higher."""
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
