"""Which attack found most, and what the blind baseline says beside it."""

from collections.abc import Mapping
from typing import Any

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.verdict import interval_text, is_blind

Metrics = Mapping[str, Any]


def strongest(membership: Metrics, population: str, metric: str = "auc") -> tuple[str, Metrics] | None:
    """Name and metrics of the attack with the highest `metric`, then AUC, against a population; None without one."""
    found = {
        attack: populations[population]
        for attack, populations in membership.items()
        if not is_blind(attack) and populations.get(population, {}).get(metric) is not None
    }
    if not found:
        return None
    name = max(found, key=lambda attack: (found[attack][metric], found[attack].get("auc") or 0.0))
    return name, found[name]


def why_blind_matters(evidence: Evidence) -> str:
    """What the baseline that never sees the target can tell."""
    if not evidence.blind:
        return "No blind baseline was measured, so nobody knows what the data alone gives away."
    aucs = [f"{interval_text(numbers, 'auc')} ({population})" for population, numbers in evidence.blind.items()]
    return (
        "The blind baseline never sees the target: what it can tell comes from the data, and only what an attack "
        f"finds beyond it is the target's. Its AUC: {', '.join(aucs)}."
    )
