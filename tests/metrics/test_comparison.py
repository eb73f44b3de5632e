from functools import cache

import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.comparison import compare, paired_difference
from faceleak.metrics.membership import measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.repeated import measure_repeated
from faceleak.metrics.roc import MetricError, auc

PAIRED = BootstrapOptions(resamples=200)


def scores_table(shift, seed=0, people=50, images=3, noise=0.0, noise_seed=0, target=None):
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(2 * people), images)
    population = np.where(person < people, "member", "unseen_identity")
    score = generator.normal(size=2 * people)[person] + generator.normal(size=len(person)) + shift * (person < people)
    score += noise * np.random.default_rng([noise_seed, 1]).normal(size=len(person))
    table = pd.DataFrame({"image_id": np.arange(len(person)), "identity": person, "population": population})
    table = table.assign(is_member=person < people, score=score, says_member=score > 0)
    return table if target is None else table.assign(target=target)


def test_values_by_hand():
    first = pd.DataFrame({"image_id": [1, 2, 3, 4], "identity": list("abcd"), "score": [0.9, 0.8, 0.1, 0.2]})
    first["population"] = ["member"] * 2 + ["unseen_identity"] * 2
    first["is_member"] = first["population"] == "member"
    second = first.assign(score=[0.9, 0.1, 0.5, 0.0]).iloc[::-1]  # 0.9 beats both, 0.1 one of two
    measured = paired_difference(first, second, PAIRED)
    assert list(measured) == ["unseen_identity"]
    assert measured["unseen_identity"]["auc_difference"] == 0.25
    assert measured["unseen_identity"]["tpr_at_fpr_1pct_difference"] is None  # two non-members cannot show it
    assert measured["unseen_identity"]["targets"] == 1


def test_an_attack_does_not_beat_itself_and_turning_the_order_turns_the_sign():
    first, second = scores_table(1.0), scores_table(1.0, noise=1.0)
    itself = paired_difference(first, first.assign(score=2 * first["score"]), PAIRED)["unseen_identity"]
    assert itself["auc_difference"] == 0
    assert -0.03 < itself["auc_difference_ci_low"] < 0 < itself["auc_difference_ci_high"] < 0.03
    there = paired_difference(first, second, PAIRED)["unseen_identity"]
    back = paired_difference(second, first, PAIRED)["unseen_identity"]
    assert there["auc_difference"] == -back["auc_difference"]
    assert there["auc_difference_ci_low"] == pytest.approx(-back["auc_difference_ci_high"])


def test_the_difference_is_known_better_than_either_value():
    first, second = scores_table(1.0), scores_table(1.0, noise=0.8)
    difference = paired_difference(first, second, PAIRED)["unseen_identity"]
    a, b = (measure_membership(table, None, PAIRED)["unseen_identity"] for table in (first, second))
    assert difference["auc_difference"] == pytest.approx(a["auc"] - b["auc"])
    assert a["auc_ci_low"] < b["auc_ci_high"]  # side by side they overlap
    assert difference["auc_difference_ci_low"] > 0


def test_equal_attacks_are_seldom_called_different():
    found = 0
    for seed in range(60):
        first, second = (scores_table(1.0, seed, noise=0.7, noise_seed=[seed, n]) for n in (1, 2))
        measured = paired_difference(first, second, PAIRED)["unseen_identity"]
        found += not measured["auc_difference_ci_low"] <= 0 <= measured["auc_difference_ci_high"]
    assert found <= 8  # of 60


def test_over_targets_it_is_the_difference_of_the_means():
    first = pd.concat([scores_table(shift, seed, target=seed) for seed, shift in enumerate((0.5, 1.0, 1.5))])
    second = first.assign(score=first["score"] + np.random.default_rng(0).normal(size=len(first)))
    measured = paired_difference(first, second.sample(frac=1, random_state=0), PAIRED)["unseen_identity"]
    a, b = (measure_repeated(table, None, PAIRED)["unseen_identity"] for table in (first, second))
    assert measured["auc_difference"] == pytest.approx(a["auc"] - b["auc"])
    assert a["tpr_at_fpr_1pct"] is measured["tpr_at_fpr_1pct_difference"] is None  # too few non-members
    assert measured["targets"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(target=0), "Only one of the two attacks names its targets"),
        (lambda t: t.head(299), "1 images were scored by only one"),
        (lambda t: t.assign(identity=t["identity"] + 1), "disagree on identity or population of 300 of 300"),
        (lambda t: t.assign(score=np.inf), "300 of 300 scores are NaN or infinite"),
        (lambda t: t.drop(columns="population"), "lacks population"),
    ],
)
def test_attacks_that_do_not_compare_are_refused(change, message):
    first = scores_table(1.0)
    with pytest.raises(MetricError, match=message):
        paired_difference(first, change(first), PAIRED)


def test_other_targets_are_refused():
    first = scores_table(1.0, target=0)
    with pytest.raises(MetricError, match="2 targets were attacked by only one"):
        paired_difference(first, first.assign(target=1), PAIRED)


OPTIONS = BootstrapOptions(resamples=100)
METRICS = ("auc", "asr", "tpr_at_fpr_1pct", "tpr_at_fpr_0.1pct", "tpr_at_lowest_fpr", "lowest_fpr")
POPULATIONS = ["same_identity", "unseen_identity", "identity", "identity_other_images"]


def interval(name: str) -> set[str]:
    return {name, f"{name}_ci_low", f"{name}_ci_high"}


def one_target(target: int, shift: float, seed: int, people: int = 30, images: int = 3) -> pd.DataFrame:
    """Half of the people are members, with as many other images, for which the attack finds half as much."""
    random, member = np.random.default_rng([seed, target]), np.random.default_rng(target).permutation(people) % 2 == 0
    parts = []
    for population, chosen, gain in (
        ("member", member, 1),
        ("same_identity", member, 0.5),
        ("unseen_identity", ~member, 0),
    ):
        person = np.repeat(np.flatnonzero(chosen), images)
        score = random.normal(size=len(person)) + gain * shift
        rows = pd.DataFrame({"identity": [f"p{number}" for number in person], "population": population, "score": score})
        parts.append(rows.assign(image_id=[f"p{n}/{population == 'same_identity'}/{i}" for i, n in enumerate(person)]))
    table = pd.concat(parts, ignore_index=True)
    is_member = table["population"] == "member"
    says_member = table["score"] > shift / 2
    others = {
        "other_images_score": table["score"].mask(is_member) + 1.0,
        "other_images_says_member": says_member & ~is_member,
    }
    return table.assign(is_member=is_member, says_member=says_member, target=f"target_{target}", **others)


def scores_of(shift: float, seed: int, targets: int = 2) -> pd.DataFrame:
    return pd.concat([one_target(target, shift, seed) for target in range(targets)], ignore_index=True)


SCORES = {"paper_shadow": scores_of(0.7, 1), "ours_shadow": scores_of(2.0, 2), "ours_partial": scores_of(1.5, 3)}
PAPERS = {"paper_shadow": "paper_shadow", "ours_shadow": "paper_shadow", "ours_partial": "paper_partial"}
BLIND = scores_of(0.0, 4)


@cache
def compared_by(how: str) -> dict[str, dict[str, dict[str, float]]]:
    return compare(SCORES, PAPERS, BLIND, "blind", how, OPTIONS)


@pytest.fixture
def compared() -> dict[str, dict[str, dict[str, float]]]:
    return compared_by("mean")


def test_every_attack_has_every_population_and_metric(compared):
    assert list(compared) == ["blind", *SCORES]
    usual = set().union(*map(interval, METRICS)) | {"members", "non_members", "targets", "auc_spread"}
    beside_blind = usual | interval("advantage_over_blind")
    for populations in compared.values():
        assert sorted(populations) == sorted(POPULATIONS)
    for population in POPULATIONS:
        assert set(compared["blind"][population]) == usual
        # neither the paper's own attack, nor one whose threat model the paper's was not run under
        assert set(compared["paper_shadow"][population]) == set(compared["ours_partial"][population]) == beside_blind
        assert set(compared["ours_shadow"][population]) == beside_blind | interval("auc_over_paper")


def test_images_are_measured_over_targets_beside_blind_and_paper(compared):
    measured = measure_repeated(SCORES["ours_shadow"], BLIND, OPTIONS)
    paired = paired_difference(SCORES["ours_shadow"], SCORES["paper_shadow"], OPTIONS)
    for population in ("same_identity", "unseen_identity"):
        found, difference = compared["ours_shadow"][population], paired[population]
        assert {name: found[name] for name in measured[population]} == measured[population]
        for end in ("", "_ci_low", "_ci_high"):
            assert found[f"auc_over_paper{end}"] == difference[f"auc_difference{end}"]
    assert compared["ours_shadow"]["unseen_identity"]["auc_over_paper_ci_low"] > 0


def person_scores(rows: pd.DataFrame, population: str, how: str) -> pd.Series:
    return rows[rows["population"] == population].groupby("identity")["score"].agg(how)


@pytest.mark.parametrize("how", ["mean", "max"])
@pytest.mark.parametrize(("setting", "shown"), [("identity", "member"), ("identity_other_images", "same_identity")])
def test_people_are_measured_as_if_aggregated_by_hand(setting, shown, how):
    def area(table: pd.DataFrame) -> float:
        areas = []
        for _, rows in table.groupby("target"):
            inside, outside = (person_scores(rows, population, how) for population in (shown, "unseen_identity"))
            areas.append(auc(np.concatenate([inside, outside]), np.arange(len(inside) + len(outside)) < len(inside)))
        return float(np.mean(areas))

    areas = {name: area(table) for name, table in SCORES.items()}
    compared = compared_by(how)
    assert compared["blind"][setting]["auc"] == pytest.approx(area(BLIND))
    for name in SCORES:
        found = compared[name][setting]
        assert found["auc"] == pytest.approx(areas[name])
        assert found["advantage_over_blind"] == pytest.approx(areas[name] - area(BLIND))
        assert (found["members"], found["non_members"], found["targets"]) == (15, 15, 2)
    assert compared["ours_shadow"][setting]["auc_over_paper"] == pytest.approx(
        areas["ours_shadow"] - areas["paper_shadow"]
    )


def test_a_person_is_called_a_member_by_most_of_their_images():
    says_member = compare({"a": SCORES["ours_shadow"]}, {"a": "a"}, BLIND, "blind", "mean", OPTIONS)["a"]["identity"]
    shares = []
    for _, rows in SCORES["ours_shadow"].groupby("target"):
        votes = rows.groupby(["population", "identity"])["says_member"].mean() >= 0.5
        shares.append((votes["member"].mean() + 1 - votes["unseen_identity"].mean()) / 2)
    assert says_member["asr"] == pytest.approx(np.mean(shares))


def test_without_other_images_there_are_two_populations():
    some = {name: table[table["population"] != "same_identity"] for name, table in {**SCORES, "blind": BLIND}.items()}
    blind = some.pop("blind")
    compared = compare(some, PAPERS, blind, "blind", "mean", OPTIONS)
    assert all(list(populations) == ["unseen_identity", "identity"] for populations in compared.values())


def test_one_target_has_no_spread():
    some = {name: table[table["target"] == "target_1"] for name, table in SCORES.items()}
    compared = compare(some, PAPERS, BLIND[BLIND["target"] == "target_1"], "blind", "mean", OPTIONS)
    assert compared["ours_shadow"]["identity"]["targets"] == 1
    assert "auc_spread" not in compared["ours_shadow"]["identity"]
