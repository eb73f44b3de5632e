"""What MLflow shows of a variant in the list of runs: few numbers and words, the same for every run."""

from collections.abc import Mapping
from typing import Any

from faceleak.metrics.membership import POPULATIONS
from faceleak.reporting.verdict import is_blind, read_membership

Tree = Mapping[str, Any]


def summarise(results: Mapping[str, Tree]) -> dict[str, dict[str, dict[str, float]]]:
    """The numbers of each variant as a tree: variant → `summary` → name → value."""
    return {
        variant: {"summary": {name.removeprefix("summary/"): value for name, value in summary_numbers(stages).items()}}
        for variant, stages in results.items()
    }


def summary_numbers(stages: Tree) -> dict[str, float]:
    """Few numbers of a variant, as far as they were measured: `summary/<name>` → value.

    stages: stage → attack → population or step → metric. The attack is the strongest on `unseen_identity`, or on the
    only population there is; the reconstruction is the most successful search.
    """
    found: dict[str, float | None] = {"verification_auc": stages.get("utility", {}).get("verification_auc")}
    if strongest := strongest_attack(stages):
        _, metrics = strongest
        found |= {f"attack_{name}": metrics.get(name) for name in ("auc", "auc_ci_low", "tpr_at_fpr_1pct")}
        found["attack_over_blind"] = metrics.get("advantage_over_blind")
    searches = [steps["optimised"] for steps in stages.get("reconstruction", {}).values() if "optimised" in steps]
    if searches:
        found["match_advantage"] = max(search["match_advantage"] for search in searches)
    return {f"summary/{name}": float(value) for name, value in found.items() if value is not None}


def summary_words(stages: Tree) -> dict[str, str]:
    """The strongest attack, and whether the variant leaks, as far as they were measured."""
    if (strongest := strongest_attack(stages)) is None:
        return {}
    reading = read_membership(stages["membership"], _population(stages), utility=stages.get("utility"))
    return {"strongest_attack": strongest[0], "verdict": reading.verdict}


def strongest_attack(stages: Tree) -> tuple[str, Tree] | None:
    """Name and metrics of the attack with the highest AUC; None where no attack was measured."""
    population = _population(stages)
    measured = {
        attack: found[population]
        for attack, found in stages.get("membership", {}).items()
        if population in found and not is_blind(attack)
    }
    return max(measured.items(), key=lambda item: item[1]["auc"]) if measured else None


def _population(stages: Tree) -> str:
    seen = {population for found in stages.get("membership", {}).values() for population in found}
    return next((population for population in reversed(POPULATIONS) if population in seen), POPULATIONS[-1])
