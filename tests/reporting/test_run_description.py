import pandas as pd

from faceleak.reporting.run_description import run_description
from tests.reporting.conftest import points_of


def metrics(auc, **more):
    return {"auc": auc, "auc_ci_low": auc - 0.05, "auc_ci_high": auc + 0.05, **more}


RESULTS = {
    "undefended": {
        "utility": {"verification_auc": 0.9, "verification_auc_ci_low": 0.88, "verification_auc_ci_high": 0.92},
        "membership": {
            "blind_partial_knowledge": {"unseen_identity": metrics(0.5)},
            "bn_distance_partial_knowledge": {
                "unseen_identity": metrics(
                    0.8, tpr_at_fpr_1pct=0.2, advantage_over_blind=0.3, advantage_over_blind_ci_low=0.2
                )
            },
        },
        "reconstruction": {
            "bn_distance_partial_knowledge": {"random": {"member_match_rate": 0.1, "match_advantage": -0.02}}
        },
    }
}


def test_a_run_says_what_it_found_and_by_which_numbers():
    text = run_description(RESULTS)
    first, *_ = text.splitlines()
    assert first.startswith(
        "**undefended, unseen identity**: leaks: bn_distance_partial_knowledge has AUC 0.800 [0.750"
    )
    assert "Verification AUC on people it never saw: 0.900 [0.880, 0.920]" in text
    assert "| bn_distance_partial_knowledge | 0.800 [0.750, 0.850] | 0.200 | +0.300 |" in text
    assert "| random | 0.100 | – | -0.020 |" in text
    assert "same identity" not in text


def test_a_comparison_of_variants_is_described_by_its_recommendation():
    several = {**RESULTS, "noise": RESULTS["undefended"]}
    assert run_description(several, recommendation="# Recommendation") == "# Recommendation"
    assert run_description({}) == ""


def test_a_comparison_shows_what_each_variant_costs_and_what_the_strongest_attacker_of_each_access_gets():
    variants = {"undefended": (0.95, 0.8, 0.8, 0.81), "noise": (0.9, 0.5, 0.6, 0.7)}
    services = {"undefended": (0.95, 0.7, 0.7, 0.7), "noise": (0.9, 0.65, 0.5, 0.6)}
    points = pd.concat([points_of(variants), points_of(services, "embeddings")])
    recommendation, table = run_description({}, points, "# Recommendation").split("\n\n", 1)
    assert recommendation == "# Recommendation"
    header, _, *rows = table.strip().splitlines()
    assert header == "| variant | verification AUC | attack AUC, weights in hand | attack AUC, embeddings only |"
    assert rows == ["| undefended | 0.950 | 0.810 | 0.700 |", "| noise | 0.900 | 0.700 | 0.650 |"]
