from faceleak.reporting.run_summary import summary_numbers, summary_words


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
        "static": {"random": {"match_advantage": 0.9}, "optimised": {"match_advantage": 0.1}},
        "adaptive": {"optimised": {"match_advantage": 0.3}},
    },
}


def test_the_strongest_attack_on_unseen_people_stands_for_the_variant():
    numbers = summary_numbers(STAGES)
    assert numbers.pop("summary/attack_over_blind") == 0.8 - 0.5
    assert numbers == {
        "summary/verification_auc": 0.9,
        "summary/attack_auc": 0.8,
        "summary/attack_auc_ci_low": 0.7,
        "summary/attack_tpr_at_fpr_1pct": 0.4,
        "summary/match_advantage": 0.3,
    }
    assert summary_words(STAGES) == {"strongest_attack": "strong_shadow", "verdict": "leaks"}


def test_what_was_not_measured_is_left_out():
    assert summary_numbers({"utility": {"verification_auc": 0.9}}) == {"summary/verification_auc": 0.9}
    assert summary_words({"utility": {"verification_auc": 0.9}}) == {}
    only = {"membership": {"a_shadow": {"same_identity": measured(0.6, 0.4)}}}
    assert summary_numbers(only)["summary/attack_auc"] == 0.6
    assert summary_words(only)["strongest_attack"] == "a_shadow"
