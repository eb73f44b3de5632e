import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.formats import interval_text
from faceleak.reporting.privacy_points import (
    COLUMNS,
    as_tree,
    by_access,
    checked,
    collect,
    compare_variants,
    front,
    on_pareto_front,
    strongest_attackers,
    sweeps,
)
from tests.reporting.conftest import points_of

ACCESS = {"bn": "weights", "cosine": "embeddings"}


def measured(auc, tpr=0.25):
    return {"unseen_identity": {"auc": auc, "auc_ci_low": auc - 0.1, "auc_ci_high": auc + 0.1, "tpr_at_fpr_1pct": tpr}}


def useful(**variants):
    return {variant: {"utility": {"verification_auc": value}} for variant, value in variants.items()}


UTILITY = useful(undefended=0.94, noise=0.9)
MEMBERSHIP = {
    "undefended": {
        "membership": {
            "bn_partial_knowledge_static": measured(0.8),
            "bn_shadow_static": measured(0.85, 0.5),
            "bn_partial_knowledge_adaptive": measured(0.86),
            "cosine_partial_knowledge_static": measured(0.7),
            "cosine_partial_knowledge_adaptive": measured(0.71),
            "blind_partial_knowledge": measured(0.99),
        }
    },
    "noise": {  # without layers that a static attacker could read, so only the attack on embeddings is there
        "membership": {
            "cosine_partial_knowledge_static": measured(0.6),
            "bn_partial_knowledge_adaptive": measured(0.87),
            "bn_partial_knowledge_refitted": {"same_identity": {"auc": 0.9}},
            "blind_partial_knowledge": measured(0.99),
        }
    },
}
BYPASSES = pd.DataFrame(
    [
        ("noise", "adaptive", "bn", "partial_knowledge", "bn_reestimation"),
        ("noise", "static", "bn", "partial_knowledge", ""),
        ("undefended", "adaptive", "bn", "partial_knowledge", None),
        ("", "plain", "blind", "partial_knowledge", ""),
    ],
    columns=["variant", "attacker", "attack", "threat_model", "bypass"],
)
ATTACKERS = ["static", "refitted", "adaptive"]


def test_the_strongest_attack_that_the_access_allows_counts():
    table = collect(UTILITY, MEMBERSHIP, ATTACKERS, ACCESS, BYPASSES)
    assert tuple(table.columns) == COLUMNS
    shown = table[["variant", "access", "attacker", "attack", "bypass", "utility", "attack_auc"]]
    assert shown.to_numpy().tolist() == [
        ["undefended", "weights", "static", "bn_shadow", "", 0.94, 0.85],
        ["undefended", "weights", "adaptive", "bn_partial_knowledge", "", 0.94, 0.86],
        ["undefended", "embeddings", "static", "cosine_partial_knowledge", "", 0.94, 0.7],
        ["undefended", "embeddings", "adaptive", "cosine_partial_knowledge", "", 0.94, 0.71],
        ["noise", "weights", "static", "cosine_partial_knowledge", "", 0.9, 0.6],
        ["noise", "weights", "adaptive", "bn_partial_knowledge", "bn_reestimation", 0.9, 0.87],
        ["noise", "embeddings", "static", "cosine_partial_knowledge", "", 0.9, 0.6],
    ]
    np.testing.assert_allclose(table["attack_auc_ci_low"], [0.75, 0.76, 0.6, 0.61, 0.5, 0.77, 0.5])
    np.testing.assert_allclose(table["tpr_at_fpr_1pct"], [0.5, *[0.25] * 6])
    assert table[["utility_ci_high", "tpr_at_fpr_1pct_ci_low"]].isna().all(axis=None)
    false_sense = [0.01, 0.01, 0.01, 0.01, 0.27, 0.27, np.nan]  # on embeddings nobody adaptive attacked the noise
    np.testing.assert_allclose(table["false_sense_of_security"], false_sense)


def test_another_population_can_be_selected():
    membership = {"noise": MEMBERSHIP["noise"]}
    table = collect(useful(noise=0.9), membership, ATTACKERS, ACCESS, BYPASSES, "same_identity")
    assert table[["access", "attacker", "attack_auc"]].to_numpy().tolist() == [["weights", "refitted", 0.9]]


@pytest.mark.parametrize(
    ("utility", "attackers"),
    [({}, ATTACKERS), (useful(noise=float("nan")), ATTACKERS), (useful(noise=0.9), ["refitted"])],
)
def test_a_variant_without_utility_or_any_attack_is_refused(utility, attackers):
    with pytest.raises(ReportingError, match="noise has no utility, or no AUC of any attacker"):
        collect(utility, {"noise": MEMBERSHIP["noise"]}, attackers, ACCESS, BYPASSES)


def test_a_variant_that_nobody_attacked_is_refused():
    with pytest.raises(ReportingError, match="pruning has no utility, or no AUC"):
        collect(UTILITY | useful(pruning=0.9), MEMBERSHIP, ATTACKERS, ACCESS, BYPASSES)


def test_an_attack_of_unknown_access_is_refused():
    with pytest.raises(ReportingError, match="2 attacks whose access is not known, such as cosine_partial_knowledge_s"):
        collect(UTILITY, MEMBERSHIP, ATTACKERS, {"bn": "weights"}, BYPASSES)


def test_points_survive_a_file(tmp_path):
    table = collect(UTILITY, MEMBERSHIP, ATTACKERS, ACCESS, BYPASSES)
    table.to_csv(tmp_path / "points.csv", index=False)
    pd.testing.assert_frame_equal(checked(pd.read_csv(tmp_path / "points.csv")), table, check_dtype=False)


def test_points_that_cannot_be_shown_are_refused():
    table = collect(UTILITY, MEMBERSHIP, ATTACKERS, ACCESS, BYPASSES)
    with pytest.raises(ReportingError, match="lack utility"):
        checked(table.drop(columns="utility"))
    with pytest.raises(ReportingError, match="have no rows"):
        checked(table.head(0))
    with pytest.raises(ReportingError, match="7 of 14 points repeat"):
        checked(pd.concat([table, table]))
    with pytest.raises(ReportingError, match="no utility or no attack AUC"):
        checked(table.assign(attack_auc=np.nan))


def test_a_variant_counts_as_its_strongest_attacker_has_it():
    table = collect(UTILITY, MEMBERSHIP, ATTACKERS, ACCESS, BYPASSES)
    weights, embeddings = (rows for _, rows in by_access(table))
    assert strongest_attackers(weights)["attack_auc"].tolist() == [0.86, 0.87]
    assert strongest_attackers(embeddings)["attacker"].tolist() == ["adaptive", "static"]
    assert strongest_attackers(weights, "tpr_at_fpr_1pct")["attacker"].tolist() == ["static", "static"]


def test_an_access_without_points_is_left_out():
    table = collect(UTILITY, MEMBERSHIP, ATTACKERS, dict.fromkeys(ACCESS, "weights"), BYPASSES)
    assert [access for access, _ in by_access(table)] == ["weights"]


def test_pareto_front_by_hand():
    table = pd.DataFrame({"utility": [0.9, 0.9, 0.8, 0.8, 0.7, 0.9], "attack_auc": [0.8, 0.7, 0.7, 0.6, 0.6, 0.7]})
    assert on_pareto_front(table).tolist() == [False, True, False, True, False, True]


rates = st.integers(0, 4).map(lambda value: value / 4)


@given(st.lists(st.tuples(rates, rates), min_size=1, max_size=12))
@settings(deadline=None)
def test_pareto_front_agrees_with_its_definition(rows):
    table = pd.DataFrame(rows, columns=["utility", "attack_auc"])
    expected = [
        not any((u >= utility and a <= auc) and (u, a) != (utility, auc) for u, a in rows) for utility, auc in rows
    ]
    assert on_pareto_front(table).tolist() == expected


def test_strengths_of_one_defense_are_ordered_by_number():
    names = [
        "noise_10",
        "undefended",
        "noise_2",
        "noise_1e-05",
        "clip_2",
        "noise_0.5_laplace",
        "dp_epsilon_8",
        "8",
        "1",
    ]
    assert sweeps(names) == [["noise_1e-05", "noise_2", "noise_10"], ["1", "8"]]


def test_as_metrics_each_access_has_its_attackers_and_one_false_sense_of_security():
    tree = as_tree(collect(UTILITY, MEMBERSHIP, ATTACKERS, ACCESS, BYPASSES))
    of_weights = tree["undefended"]["strongest"]["weights"]
    assert of_weights["static"] == {
        "auc": 0.85,
        "auc_ci_low": 0.75,
        "auc_ci_high": pytest.approx(0.95),
        "tpr_at_fpr_1pct": 0.5,
    }
    assert of_weights["false_sense_of_security"] == pytest.approx(0.01)
    assert tree["undefended"]["strongest"]["embeddings"]["adaptive"]["auc"] == 0.71


def test_variants_side_by_side_have_intervals_and_dashes():
    points = points_of({"undefended": (0.945, 0.7, 0.7, 0.71), "noise": (0.8, None, 0.55, 0.56)}, "embeddings")
    table = compare_variants(points, interval_text)
    assert table.columns.tolist() == [
        *("variant", "utility", "static", "refitted", "adaptive", "bypassed by", "false sense of security", "TPR@1 %")
    ]
    assert table.iloc[1].tolist() == [
        *("noise", "0.800 [0.780, 0.820]", "–", "0.550 [0.530, 0.570]", "0.560 [0.540, 0.580]"),
        *("bn_reestimation", "–", "0.100 [0.080, 0.120]"),
    ]


def test_the_front_holds_each_variant_by_its_strongest_attacker():
    points = points_of(
        {"undefended": (0.9, 0.8, 0.8, 0.8), "fooled": (0.8, 0.5, 0.5, 0.9), "good": (0.8, 0.6, 0.6, 0.7)}
    )
    assert front(points)["variant"].tolist() == ["undefended", "good"]
