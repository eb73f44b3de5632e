"""Points of a comparison of defences, as tests write them down."""

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
                    "undoing": "bn_reestimation" if attacker == "adaptive" and variant != "undefended" else "",
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
