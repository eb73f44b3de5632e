import pandas as pd

from faceleak.reporting.results import read_variant, read_variants
from faceleak.reporting.run_description import run_description, summary_numbers, summary_words
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
    text = run_description(read_variants(RESULTS))
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
    assert run_description(read_variants(several), recommendation="# Recommendation") == "# Recommendation"
    assert run_description([]) == ""


def test_a_comparison_shows_what_each_variant_costs_and_what_the_strongest_attacker_of_each_access_gets():
    variants = {"undefended": (0.95, 0.8, 0.8, 0.81), "noise": (0.9, 0.5, 0.6, 0.7)}
    services = {"undefended": (0.95, 0.7, 0.7, 0.7), "noise": (0.9, 0.65, 0.5, 0.6)}
    points = pd.concat([points_of(variants), points_of(services, "embeddings")])
    recommendation, table = run_description([], points, "# Recommendation").split("\n\n", 1)
    assert recommendation == "# Recommendation"
    header, _, *rows = table.strip().splitlines()
    assert header == "| variant | verification AUC | attack AUC, weights in hand | attack AUC, embeddings only |"
    assert rows == ["| undefended | 0.950 | 0.810 | 0.700 |", "| noise | 0.900 | 0.700 | 0.650 |"]


def measured(auc, low):
    advantage = {"advantage_over_blind": auc - 0.5, "advantage_over_blind_ci_low": low - 0.5}
    return {"auc": auc, "auc_ci_low": low, "auc_ci_high": 1.0, "tpr_at_fpr_1pct": auc / 2, **advantage}


STAGES = {
    "utility": {"verification_auc": 0.9},
    "membership": {
        "blind_partial_knowledge": {"unseen_identity": {"auc": 0.99, "auc_ci_low": 0.4}},
        "weak_shadow": {"unseen_identity": measured(0.6, 0.55), "same_identity": measured(0.9, 0.8)},
        "strong_shadow": {"unseen_identity": measured(0.8, 0.7), "same_identity": measured(0.5, 0.4)},
    },
    "reconstruction": {
        "static": {"random": {"match_advantage": 0.9}, "optimized": {"match_advantage": 0.1}},
        "adaptive": {"optimized": {"match_advantage": 0.3}},
    },
}


def test_the_strongest_attack_on_unseen_people_stands_for_the_variant():
    numbers = summary_numbers(read_variant("v", STAGES))
    assert numbers.pop("attack_over_blind") == 0.8 - 0.5
    assert numbers == {
        "verification_auc": 0.9,
        "attack_auc": 0.8,
        "attack_auc_ci_low": 0.7,
        "attack_tpr_at_fpr_1pct": 0.4,
        "match_advantage": 0.3,
    }
    assert summary_words(read_variant("v", STAGES)) == {"strongest_attack": "strong_shadow", "verdict": "leaks"}


def test_what_was_not_measured_is_left_out():
    assert summary_numbers(read_variant("v", {"utility": {"verification_auc": 0.9}})) == {"verification_auc": 0.9}
    assert summary_words(read_variant("v", {"utility": {"verification_auc": 0.9}})) == {}
    only = read_variant("v", {"membership": {"a_shadow": {"same_identity": measured(0.6, 0.4)}}})
    assert summary_numbers(only)["attack_auc"] == 0.6
    assert summary_words(only)["strongest_attack"] == "a_shadow"
