from types import SimpleNamespace

import pandas as pd
import pytest

from faceleak.reporting import recommendation
from faceleak.reporting.checks import ReportingError
from tests.reporting.conftest import points_of

VARIANTS = {
    "undefended": (0.95, 0.85, 0.85, 0.86),
    "clip": (0.945, 0.50, 0.55, 0.80),  # fools the static attacker only
    "pruning": (0.94, 0.70, 0.70, 0.70),
    "dp": (0.90, 0.55, 0.56, 0.60),
}


def goal(at_most, utility_loss=0.01, metric="attack_auc"):
    return SimpleNamespace(metric=metric, at_most=at_most, utility_loss=utility_loss)


def recommend(points, goal):
    return recommendation.recommend(points, goal).markdown()


def answer(text, access="Weights in hand"):
    """What a recommendation says of one access."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"**{access}.**")]
    return line.removeprefix(f"**{access}.** ")


def test_the_cheapest_variant_that_reaches_the_goal_is_named_with_its_interval():
    text = recommend(points_of(VARIANTS), goal(0.75))
    assert "strongest attacker's AUC is at most 0.75, at a loss of verification AUC of at most 0.01." in text
    assert answer(text) == (
        "`pruning` reaches the goal at the least cost: AUC 0.700 [0.680, 0.720] by the static attacker with "
        "fused_partial_knowledge, and its upper bound is within the goal too, at 0.010 less verification AUC "
        "(0.940 [0.920, 0.960])."
    )


def test_an_interval_that_exceeds_the_goal_is_named():
    said = answer(recommend(points_of(VARIANTS), goal(0.6, utility_loss=0.05)))
    assert said.startswith("`dp` reaches the goal at the least cost: AUC 0.600 [0.580, 0.620] by the adaptive attacker")
    assert "after bn_reestimation, though its interval reaches up to 0.620, at 0.050 less" in said


def test_of_equal_losses_the_lower_leak_is_recommended():
    same = {**VARIANTS, "rounding": (0.94, 0.60, 0.60, 0.60)}
    assert answer(recommend(points_of(same), goal(0.75))).startswith("`rounding` reaches the goal")


def test_a_goal_that_costs_too_much_is_not_reached():
    said = answer(recommend(points_of(VARIANTS), goal(0.65)))
    assert said.startswith("No variant reaches the goal. The cheapest one that brings the AUC down to it, `dp`, costs")
    assert "at 0.050 less verification AUC" in said
    assert "Within that loss, `pruning` comes nearest: AUC 0.700 [0.680, 0.720]" in said


def test_where_none_reaches_the_goal_the_nearest_is_named_and_its_cost():
    said = answer(recommend(points_of(VARIANTS), goal(0.5)))
    assert said.startswith("No variant reaches the goal. `dp` comes nearest: AUC 0.600 [0.580, 0.620] by the adaptive")
    assert "upper bound" not in said
    assert "at 0.050 less verification AUC (0.900 [0.880, 0.920]). Within that loss, `pruning` comes nearest" in said
    cheap = answer(recommend(points_of(VARIANTS), goal(0.5, utility_loss=0.1)))
    assert cheap.count("comes nearest") == 1


def test_no_defense_is_needed_where_the_target_reaches_the_goal():
    said = answer(recommend(points_of({**VARIANTS, "better": (0.99, 0.5, 0.5, 0.5)}), goal(0.9)))
    assert said.startswith("No defense is needed: the undefended target reaches the goal, AUC 0.860 [0.840, 0.880] by")


def test_a_gain_of_utility_is_no_loss():
    said = answer(recommend(points_of({**VARIANTS, "better": (0.99, 0.5, 0.5, 0.5)}), goal(0.75)))
    assert "at no less verification AUC (0.990 [0.970, 1.010])" in said


def test_the_rate_is_that_of_the_attacker_with_the_highest_rate():
    table = points_of({"undefended": (0.95, 0.8, 0.8, 0.8), "clip": (0.945, 0.7, 0.7, 0.75)})
    table["tpr_at_fpr_1pct"] = [0.5, 0.5, 0.5, 0.2, 0.04, 0.03]
    table[["tpr_at_fpr_1pct_ci_low", "tpr_at_fpr_1pct_ci_high"]] = float("nan")
    said = answer(recommend(table, goal(0.05, metric="tpr_at_fpr_1pct")))
    assert said == (
        "No variant reaches the goal. `clip` comes nearest: TPR at 1 % FPR 0.200 by the static attacker with "
        "fused_partial_knowledge, at 0.005 less verification AUC (0.945 [0.925, 0.965])."
    )


def test_each_access_has_its_own_answer():
    gentle = {name: (utility, 0.5, 0.5, 0.52) for name, (utility, *_) in VARIANTS.items()}
    text = recommend(pd.concat([points_of(VARIANTS), points_of(gentle, "embeddings")]), goal(0.75))
    assert answer(text).startswith("`pruning`")
    assert answer(text, "Embeddings only").startswith("No defense is needed")
    assert "perturbing" not in text


def test_a_variant_that_no_adaptive_attacker_faced_is_marked():
    table = points_of({**VARIANTS, "untested": (0.95, 0.5, 0.5, None)})
    said = answer(recommend(table, goal(0.75)))
    assert said.startswith("`untested` reaches the goal")
    assert said.endswith("; no adaptive attacker was measured against it.")


NOISE = {
    "undefended": (0.945, 0.854, 0.854, 0.863),
    "bn_perturbation_0.1": (0.944, 0.840, 0.843, 0.863),
    "bn_perturbation_0.2": (0.936, 0.803, 0.808, 0.863),
    "bn_perturbation_0.8": (0.801, 0.525, 0.506, 0.863),
}


def perturbation(variants, utility_loss=0.01, **changes):
    text = recommend(points_of(variants).assign(**changes), goal(0.5, utility_loss))
    _, _, told = text.partition("## Does perturbing BN statistics help against an adaptive attacker?\n\n")
    return told


def test_the_strongest_perturbation_that_keeps_utility_answers_whether_it_helps():
    assert perturbation(NOISE) == (
        "- Weights in hand: no. `bn_perturbation_0.2` (the strongest that keeps the utility: 0.936 [0.916, 0.956]) "
        "takes the static attacker to AUC 0.803 [0.783, 0.823]; the adaptive one reaches 0.863 [0.843, 0.883], against "
        "0.863 [0.843, 0.883] on the undefended target.\n"
    )
    assert "no. `bn_perturbation_0.8` (the strongest that keeps" in perturbation(NOISE, utility_loss=0.2)
    assert "no. `bn_perturbation_0.1` (the mildest, as none keeps the utility" in perturbation(NOISE, utility_loss=0)


def test_what_more_noise_would_do_is_told_with_its_price():
    variants = {**NOISE, "bn_perturbation_0.8": (0.801, 0.525, 0.506, 0.7)}
    assert perturbation(variants).endswith(
        "on the undefended target. At a higher price, `bn_perturbation_0.8` takes it to 0.700 [0.680, 0.720], at a "
        "verification AUC of 0.801 [0.781, 0.821].\n"
    )


@pytest.mark.parametrize(
    ("auc", "verdict"), [(0.7, "yes. "), (0.82, "yes. "), (0.83, "not shown, as the inter"), (0.87, "no. ")]
)
def test_perturbation_helps_where_intervals_lie_apart(auc, verdict):
    variants = {"undefended": NOISE["undefended"], "bn_perturbation_0.1": (0.944, 0.8, 0.8, auc)}
    assert perturbation(variants).startswith(f"- Weights in hand: {verdict}")


def test_a_sure_but_tiny_gain_hardly_helps():
    variants = {"undefended": (0.944, 0.999, 0.999, 0.999), "bn_perturbation_0.1": (0.944, 0.99, 0.99, 0.979)}
    narrow = {"attack_auc_ci_low": lambda table: table["attack_auc"] - 0.001}
    narrow |= {"attack_auc_ci_high": lambda table: table["attack_auc"] + 0.001}
    assert "hardly: it takes 4.0% of the lead over chance. `bn_perturbation_0.1`" in perturbation(variants, **narrow)


def test_perturbation_is_not_judged_without_intervals_or_both_attackers():
    unknown = {"attack_auc_ci_low": float("nan"), "attack_auc_ci_high": float("nan")}
    assert "cannot be told without intervals." in perturbation(NOISE, **unknown)
    blunt = {"undefended": NOISE["undefended"], "bn_perturbation_0.1": (0.944, None, 0.8, 0.8)}
    assert "cannot be told, as not both a static and an adaptive attacker" in perturbation(blunt)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ReportingError, match="lack the variant `undefended`"):
        recommend(points_of({"dp": VARIANTS["dp"]}), goal(0.5))
    table = points_of(VARIANTS)
    table.loc[[0, 3], "tpr_at_fpr_1pct"] = float("nan")
    with pytest.raises(ReportingError, match="2 of 12 points have no tpr_at_fpr_1pct"):
        recommend(table, goal(0.05, metric="tpr_at_fpr_1pct"))


def test_nothing_is_recommended_for_a_target_that_recognizes_nobody():
    points = points_of({"undefended": (0.5, 0.5, 0.5, 0.5), "clip": (0.5, 0.5, 0.5, 0.5)})
    points["utility_ci_low"], points["utility_ci_high"] = 0.49, 0.51
    assert answer(recommend(points, goal(0.75))) == (
        "Nothing can be recommended for the undefended target: the backbone does not work: it recognizes nobody, "
        "verification AUC 0.500 [0.490, 0.510] on unseen people."
    )


def test_a_goal_that_so_few_people_cannot_show_is_told_for_each_access():
    table = points_of(VARIANTS).assign(tpr_at_fpr_1pct=float("nan"))
    said = answer(recommend(table, goal(0.05, metric="tpr_at_fpr_1pct")))
    assert said.startswith(
        "Cannot be told: the TPR at 1 % FPR was not measurable with so few, which takes 199 non-members."
    )


def test_the_verdict_is_a_code_and_a_sentence_without_numbers():
    both = recommendation.recommend(
        pd.concat([points_of(VARIANTS), points_of({"undefended": (0.95, 0.5, 0.5, 0.5)}, "embeddings")]), goal(0.75)
    )
    weights, embeddings = both.choices
    assert (weights.access, weights.code, weights.variant) == ("weights", "goal reached", "pruning")
    assert weights.verdict() == "pruning reaches the goal at the least cost"
    assert weights.verdict("`") == "`pruning` reaches the goal at the least cost"
    assert (embeddings.code, embeddings.verdict()) == ("no defense needed", "No defense is needed")
    (costly,) = recommendation.recommend(points_of(VARIANTS), goal(0.65)).choices
    assert costly.verdict() == (
        "No variant reaches the goal. The cheapest one that brings the AUC down to it, dp, costs more utility than "
        "allowed"
    )
