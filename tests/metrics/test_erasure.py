"""Shares still found and verdicts: values by hand, known answers, and the null, where 5 % are found at 5 %."""

import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.erasure import (
    LEVEL,
    PersonVerdict,
    draws_of,
    false_positive_rates,
    judge_people,
    measure_erasure,
)
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError

BOOTSTRAP = BootstrapOptions(resamples=200)
PEOPLE = {"erased": 10, "stays": 30, "never in": 199}


def scored(random, after, before=3.0, method="gold", seeds=1, draws=1, images=10, counts=PEOPLE, stays=3.0):
    """Scores of normal people; `before`, `after`, `stays`: how far the erased, and who stays, lie above strangers."""
    tables = []
    for draw in range(draws):
        for seed in range(seeds):
            for group, count in counts.items():
                shift = {"erased": (before, after), "stays": (3.0, stays), "never in": (0.0, 0.0)}[group]
                people = [f"{group} {number + (draw * count if group == 'erased' else 0)}" for number in range(count)]
                noise = random.normal(size=(2, count))
                tables.append(
                    pd.DataFrame(
                        {
                            **{"draw": draw, "method": method, "seed": seed, "attacker": "weights"},
                            **{"identity": people, "group": group, "images": images},
                            **{"before": shift[0] + noise[0], "after": shift[1] + noise[1]},
                        }
                    )
                )
    return pd.concat(tables, ignore_index=True)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_a_rate_counts_the_people_who_were_never_in_and_score_as_high():
    others = np.arange(19.0)
    assert false_positive_rates(np.array([18.5, 18.0, 17.5, -1.0]), others).tolist() == [0.05, 0.1, 0.1, 1.0]


def test_a_backbone_that_never_saw_them_finds_one_in_twenty(random):
    scores = scored(random, after=0.0, draws=40, seeds=2)
    numbers = measure_erasure(scores, "gold", BOOTSTRAP)["gold"]["weights"]
    assert numbers["still_found"] == pytest.approx(0.05, abs=0.02)
    assert numbers["still_found_at_1pct"] == pytest.approx(0.01, abs=0.01)
    assert numbers["stands_out"] == pytest.approx(0.05, abs=0.02)
    assert numbers["still_found_ci_low"] < 0.05 < numbers["still_found_ci_high"]
    assert numbers["auc"] == pytest.approx(0.5, abs=0.05)
    assert (numbers["draws"], numbers["seeds"], numbers["people"], numbers["never_in"]) == (40, 2, 400, 199)
    verdicts = judge_people(scores, None, 3)
    assert np.mean([one.verdict == "still found" for one in verdicts]) == pytest.approx(0.05, abs=0.02)


def test_the_interval_holds_the_nominal_rate_in_most_of_many_experiments(random):
    held = 0
    for _ in range(40):
        numbers = measure_erasure(scored(random, after=0.0, draws=2), None, BOOTSTRAP)["gold"]["weights"]
        held += numbers["still_found_ci_low"] <= 0.05 <= numbers["still_found_ci_high"]
    assert held >= 36


def test_an_unchanged_backbone_is_still_found_and_the_difference_to_gold_says_so(random):
    scores = pd.concat([scored(random, after=0.0, draws=2, seeds=2), scored(random, 3.0, method="nothing", draws=2)])
    numbers = measure_erasure(scores, "gold", BOOTSTRAP)["nothing"]["weights"]
    assert numbers["still_found_ci_low"] > 0.5
    assert numbers["still_found_over_gold_ci_low"] > 0.3
    assert numbers["found_by_both"] < 0.3
    assert numbers["auc_to_stays"] == pytest.approx(0.5, abs=0.2)
    by_person = [one for one in judge_people(scores, "gold", 3) if one.method == "nothing"]
    assert np.mean([one.verdict == "still found" for one in by_person]) > 0.8


def test_who_was_in_the_target_is_found_by_both_backbones_even_after_a_retraining(random):
    numbers = measure_erasure(scored(random, after=0.0, before=4.0), "gold", BOOTSTRAP)["gold"]["weights"]
    assert numbers["found_by_both"] > 0.7
    assert "still_found_over_gold" not in numbers


def test_standing_out_as_low_is_seen_in_both_directions_only(random):
    numbers = measure_erasure(scored(random, after=-4.0), None, BOOTSTRAP)["gold"]["weights"]
    assert numbers["still_found"] == 0
    assert numbers["stands_out"] > 0.8


def test_too_few_people_never_in_leave_a_rate_unmeasured(random):
    few = scored(random, 0.0, counts={**PEOPLE, "never in": 40})
    numbers = measure_erasure(few, None, BOOTSTRAP)["gold"]["weights"]
    assert numbers["still_found"] is not None
    assert (numbers["still_found_at_1pct"], numbers["still_found_at_1pct_ci_low"]) == (None, None)
    fewer = scored(random, 0.0, counts={**PEOPLE, "never in": 20})
    assert measure_erasure(fewer, None, BOOTSTRAP)["gold"]["weights"]["still_found"] is None
    assert {one.reason for one in judge_people(fewer, None, 3)} == {"too few people never in"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "not found"),
        ({"images": 2}, "too few images"),
        ({"before": -0.5}, "not found before"),
        ({"stays": 0.0}, "weak attack"),
        ({"after": -6.0}, "marked"),
        ({"after": 6.0}, "found"),
    ],
)
def test_a_verdict_says_why(random, changes, reason):
    settings = {"after": -0.5, "before": 6.0, "stays": 6.0, **changes}
    verdicts = judge_people(scored(random, **settings), None, 3)
    reasons = [one.reason for one in verdicts]
    assert max(set(reasons), key=reasons.count) == reason
    told = {"not found": "erased as far as can be told", "found": "still found"}
    assert {one.verdict for one in verdicts if one.reason == reason} == {told.get(reason, "cannot be said")}


def test_of_who_stands_out_where_they_never_were_nothing_is_said(random):
    scores = pd.concat([scored(random, 6.0, seeds=2), scored(random, 6.0, method="nothing")])
    verdicts = judge_people(scores, "gold", 3)
    assert {one.reason for one in verdicts} == {"stands out anyway"}
    assert {one.in_gold for one in verdicts} == {1.0}


def test_gold_with_a_single_seed_has_nothing_to_be_compared_with(random):
    (first, *_) = judge_people(scored(random, 0.0), "gold", 3)
    assert isinstance(first, PersonVerdict)
    assert first.in_gold is None


def test_the_order_of_rows_changes_nothing(random):
    scores = scored(random, 1.0, draws=2, seeds=2)
    shuffled = scores.sample(frac=1, random_state=0)
    assert measure_erasure(scores, None, BOOTSTRAP) == measure_erasure(shuffled, None, BOOTSTRAP)


def test_what_cannot_be_compared_is_refused(random):
    scores = scored(random, 0.0, seeds=2)
    with pytest.raises(MetricError, match="score different people"):
        draws_of(scores.iloc[1:])
    with pytest.raises(MetricError, match="nobody of the group `stays`"):
        draws_of(scores[scores["group"] != "stays"])
    assert LEVEL == 0.05
