"""Values by hand: mixtures of populations, gaps, and differences pair by pair."""

import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError
from faceleak.tuning.results import Contender, compare

OPTIONS = BootstrapOptions(resamples=200)
SHARES = {"same_identity": 0.25, "unseen_identity": 0.75}


def scores_of(same: float, unseen: float, people: int = 200, seed: int = 0) -> pd.DataFrame:
    """Members at 0 and other images `same` and `unseen` standard deviations lower; noise depends on the seed alone."""
    generator = np.random.default_rng(seed)
    rows = [(f"m{person}", "member") for person in range(people) for _ in range(2)]
    rows += [(f"m{person}", "same_identity") for person in range(people)]
    rows += [(f"u{person}", "unseen_identity") for person in range(people)]
    table = pd.DataFrame(rows, columns=["identity", "population"])
    lower = table["population"].map({"member": 0.0, "same_identity": same, "unseen_identity": unseen})
    score = generator.normal(size=len(table)) - lower
    return table.assign(
        image_id=[f"{row}" for row in range(len(table))],
        is_member=table["population"] == "member",
        score=score,
        says_member=score > -1,
    )


def test_the_fresh_auc_weighs_populations_as_the_attackers_own_data_does():
    found = compare(Contender(0.9, scores_of(1, 2)), Contender(0.95, scores_of(1, 2)), SHARES, OPTIONS)
    by_hand = 0.25 * found["tuned"]["same_identity"]["auc"] + 0.75 * found["tuned"]["unseen_identity"]["auc"]
    assert found["tuned"]["fresh_auc"] == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.25 * 0.760 + 0.75 * 0.921, abs=0.02)  # Φ(d/√2)
    assert found["tuned"]["gap"] == pytest.approx(0.95 - by_hand)
    assert found["default"]["gap"] == pytest.approx(0.9 - by_hand)


def test_the_gap_has_the_interval_of_the_fresh_value_turned_round():
    tuned = compare(Contender(0.9, scores_of(1, 2)), Contender(0.95, scores_of(1, 2)), SHARES, OPTIONS)["tuned"]
    assert tuned["gap_ci_low"] == pytest.approx(0.95 - tuned["fresh_auc_ci_high"])
    assert tuned["gap_ci_high"] == pytest.approx(0.95 - tuned["fresh_auc_ci_low"])
    assert tuned["gap_ci_low"] < tuned["gap"] < tuned["gap_ci_high"]


def test_the_same_attack_differs_by_nothing_and_rows_in_any_order_are_matched():
    scores = scores_of(1, 2)
    mixed = scores.sample(frac=1, random_state=0)
    over = compare(Contender(0.9, mixed), Contender(0.9, scores), SHARES, OPTIONS)["tuned_over_default"]
    ends = [over[f"fresh_auc_difference{end}"] for end in ("", "_ci_low", "_ci_high")]
    assert ends == pytest.approx([0, 0, 0], abs=0.01)  # what is left is what intervals reach beyond resamples
    assert over["unseen_identity"]["auc_difference"] == pytest.approx(0)


def test_a_better_attack_is_told_with_an_interval_above_0_and_narrower_than_its_own():
    found = compare(Contender(0.9, scores_of(1, 1)), Contender(0.9, scores_of(1.5, 1.5)), SHARES, OPTIONS)
    over, tuned = found["tuned_over_default"], found["tuned"]
    expected = 0.856 - 0.760  # Φ(1.5/√2) − Φ(1/√2)
    assert over["fresh_auc_difference"] == pytest.approx(expected, abs=0.02)
    assert over["fresh_auc_difference_ci_low"] > 0
    width = over["fresh_auc_difference_ci_high"] - over["fresh_auc_difference_ci_low"]
    assert width < tuned["fresh_auc_ci_high"] - tuned["fresh_auc_ci_low"]


def test_noise_chosen_as_the_best_of_many_has_a_gap_that_fresh_people_show():
    """Attacks that read nothing: the luckiest of 200 on own people is at 0.5 on fresh ones."""
    own = max(float(np.mean(scores_of(0, 0, people=20, seed=s)["score"][:40] > 0)) for s in range(200))
    fresh = scores_of(0, 0, seed=1000)
    tuned = compare(Contender(0.5, scores_of(0, 0, seed=1001)), Contender(own, fresh), SHARES, OPTIONS)["tuned"]
    assert own > 0.6
    assert tuned["gap_ci_low"] > 0
    assert tuned["fresh_auc_ci_low"] < 0.5 < tuned["fresh_auc_ci_high"]


def test_other_images_are_refused():
    with pytest.raises(MetricError, match="same images"):
        compare(Contender(0.9, scores_of(1, 2)), Contender(0.9, scores_of(1, 2).iloc[1:]), SHARES, OPTIONS)
