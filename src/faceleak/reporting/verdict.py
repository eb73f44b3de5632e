"""One line of plain reading: what membership metrics say about a population, and what they do not."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

Metrics = Mapping[str, Any]

BLIND_PREFIX = "blind_"


def read_membership(membership: Mapping[str, Metrics], population: str, blind: Metrics | None = None) -> str:
    """Say what the attacks on one variant show: `leaks: …`, `cannot conclude: …` or `no evidence: …`.

    membership: attack → population → metrics as `measure_membership` gives them; blind: those of the blind baseline
    where `membership` does not hold it. The first of these rules that applies decides:

    - cannot conclude, where the blind baseline's interval of the AUC lies above 0.5: it never saw the target, so the
      data alone tells members from non-members;
    - leaks, where an attack's interval lies above 0.5 and that of its advantage over the blind baseline above 0;
    - cannot conclude, where an attack's interval lies above 0.5 and nobody measured the blind baseline beside it;
    - no evidence otherwise, which is no proof that nothing leaks.
    """
    measured = {
        attack: populations[population] for attack, populations in membership.items() if population in populations
    }
    attacks = {attack: metrics for attack, metrics in measured.items() if not is_blind(attack)}
    blind = next((metrics for attack, metrics in measured.items() if is_blind(attack)), blind)
    if blind is not None and _low(blind, "auc") > 0.5:
        return (
            f"cannot conclude: the blind baseline alone separates members, AUC {interval_text(blind, 'auc')}. It never "
            "saw the target, so the data gives members away, whatever the target does"
        )
    above_chance = {attack: metrics for attack, metrics in attacks.items() if _low(metrics, "auc") > 0.5}
    leaking = {a: metrics for a, metrics in above_chance.items() if _low(metrics, "advantage_over_blind") > 0}
    if leaking:
        attack = max(leaking, key=lambda name: leaking[name]["auc"])
        return (
            f"leaks: {attack} has AUC {interval_text(leaking[attack], 'auc')}, "
            f"{interval_text(leaking[attack], 'advantage_over_blind', '+.3f')} over the blind baseline"
        )
    if any("advantage_over_blind" not in metrics for metrics in above_chance.values()):
        return "cannot conclude: no blind baseline was measured beside the attack, so the data may be what it reads"
    return "no evidence: no attack is above chance and above the blind baseline by more than its interval"


def is_blind(attack: str) -> bool:
    """Whether this is the metric name of the blind baseline."""
    return attack.startswith(BLIND_PREFIX)


def interval_text(metrics: Metrics, metric: str, form: str = ".3f") -> str:
    """A metric with its interval, as far as they are there: 0.763 [0.701, 0.822]."""
    value, low, high = (metrics.get(f"{metric}{end}") for end in ("", "_ci_low", "_ci_high"))
    if pd.isna(value):
        return "–"
    return f"{value:{form}}" if pd.isna(low) or pd.isna(high) else f"{value:{form}} [{low:.3f}, {high:.3f}]"


def _low(metrics: Metrics, metric: str) -> float:
    low = metrics.get(f"{metric}_ci_low")
    return float("nan") if low is None else float(low)
