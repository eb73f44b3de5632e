"""Metrics of a target and a variant, and points of a comparison of defenses, as tests write them down."""

import pandas as pd

from faceleak.reporting.privacy_points import COLUMNS

ATTACKERS = ("static", "refitted", "adaptive")


def points_of(variants, access="weights", half_width=0.02, tpr=None):
    """variants: name → utility and the AUC of each of ATTACKERS, None where it has none; tpr: name → its TPR."""
    rows = []
    for variant, (utility, *aucs) in variants.items():
        measured = dict(zip(ATTACKERS, aucs, strict=True))
        for attacker, auc in measured.items():
            if auc is None:
                continue
            values = {"utility": utility, "attack_auc": auc, "tpr_at_fpr_1pct": (tpr or {}).get(variant, 0.1)}
            rows.append(
                {
                    "variant": variant,
                    "access": access,
                    "attacker": attacker,
                    "attack": "fused_partial_knowledge",
                    "bypass": "bn_reestimation" if attacker == "adaptive" and variant != "undefended" else "",
                    **{
                        f"{name}{end}": value + sign * half_width
                        for name, value in values.items()
                        for end, sign in (("", 0), ("_ci_low", -1), ("_ci_high", 1))
                    },
                    "false_sense_of_security": float("nan")
                    if None in (measured["static"], measured["adaptive"])
                    else measured["adaptive"] - measured["static"],
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def interval(metric, value, half_width=0.05):
    return {metric: value, f"{metric}_ci_low": value - half_width, f"{metric}_ci_high": value + half_width}


def membership(auc, advantage):
    return {
        **interval("auc", auc),
        **interval("asr", 0.7),
        **interval("tpr_at_fpr_1pct", 0.125),
        **interval("tpr_at_fpr_0.1pct", 0.03),
        **interval("advantage_over_blind", advantage),
        "members": 100,
        "non_members": 200,
    }


BLIND = {"same_identity": interval("auc", 0.5), "unseen_identity": interval("auc", 0.52)}
METRICS = {
    "undefended": {
        "utility": {**interval("verification_auc", 0.945, 0.01), "tar_at_far_0.1pct": 0.3},
        "membership": {
            "bn_distance_partial_knowledge": {
                "same_identity": membership(0.59, 0.04),
                "unseen_identity": membership(0.854, 0.334),
            },
            "bn_distance_partial_knowledge_adaptive": {"unseen_identity": membership(0.863, 0.343)},
            "blind_partial_knowledge": BLIND,
        },
        "reconstruction": {
            "bn_distance_partial_knowledge": {
                "random": {**interval("match_advantage", 0.0), "member_match_rate": 0.48, "control_match_rate": 0.48},
                "optimized": {
                    **interval("match_advantage", 0.63, 0.125),
                    "member_match_rate": 0.83,
                    "control_match_rate": 0.2,
                    "distinct_members": 55,
                    "unknown_member_match_rate": 0.47,
                    "kid_to_members": 0.35,
                    "kid_to_controls": -0.02,
                },
            }
        },
    },
    "noise_0.4": {
        "utility": interval("verification_auc", 0.891, 0.01),
        "utility_after_bn_reestimation": {"verification_auc": 0.945},
        "membership": {
            f"bn_distance_partial_knowledge_{attacker}": {"unseen_identity": membership(auc, auc - 0.52)}
            for attacker, auc in (("static", 0.682), ("refitted", 0.675), ("adaptive", 0.863))
        },
        "defense": {"seconds": 2, "bn_noise": {"rdp": {"target": {"epsilon": None}}}},
    },
}
