"""The description of a run in MLflow: verdicts and headline numbers as Markdown, and a few values for its columns."""

from collections.abc import Mapping, Sequence

import pandas as pd

from faceleak.metrics.membership import POPULATIONS
from faceleak.reporting.formats import ACCESSES, TPR, interval_text, narrow
from faceleak.reporting.privacy_points import by_access, checked, strongest_attackers
from faceleak.reporting.results import Metrics, Variant
from faceleak.reporting.style import words
from faceleak.reporting.tables import markdown
from faceleak.reporting.verdict import UPPER_BOUND_NOTE

ATTACK = ("auc", TPR, "advantage_over_blind")
STEP = ("member_match_rate", "control_match_rate", "match_advantage")


def run_description(variants: Sequence[Variant], points: pd.DataFrame | None = None, recommendation: str = "") -> str:
    """Markdown: verdicts and headline tables if there is a single variant, and what defenses cost and bring.

    points: as `privacy_points.collect` gives them. The list of runs shows the first lines only: they hold what matters
    most.
    """
    parts = [_of_variant(variant) for variant in variants] if len(variants) == 1 else []
    compared = "" if points is None else _of_defenses(points)
    return "\n\n".join(part for part in (*parts, recommendation, compared) if part)


def _of_defenses(points: pd.DataFrame) -> str:
    """A row a variant: what it still recognizes, and the AUC of the strongest attacker of each access."""
    strongest = {access: strongest_attackers(rows, "attack_auc") for access, rows in by_access(checked(points))}
    leaks = {access: rows.set_index("variant")["attack_auc"] for access, rows in strongest.items()}
    utility = points.groupby("variant", sort=False)["utility"].first()
    table = {"variant": utility.index, "verification AUC": utility.to_numpy()}
    for access, leak in leaks.items():
        table[f"attack AUC, {ACCESSES[access]}"] = leak.reindex(utility.index).to_numpy()
    return markdown(pd.DataFrame(table))


def _of_variant(variant: Variant) -> str:
    membership, populations = variant.membership, POPULATIONS[::-1]
    lines = [
        f"**{variant.name}, {words(population)}**: {membership.reading(population)}"
        for population in populations
        if membership.against(population)
    ]
    if variant.utility:
        lines.append(f"Verification AUC on people it never saw: {interval_text(variant.utility, 'verification_auc')}")
    for population in populations:
        if measured := membership.against(population):
            lines += [f"**membership, {words(population)}**", _table(measured, ATTACK)]
    for population in populations:
        if measured := variant.upper_bound.against(population):
            lines += [f"**upper bound, {words(population)}**: {UPPER_BOUND_NOTE}", _table(measured, ATTACK)]
    for attack, steps in variant.reconstruction.items():
        lines += [f"**reconstruction by {attack}**", _table(steps, STEP)]
    return "\n\n".join(lines)


def _table(measured: Mapping[str, Metrics], metrics: Sequence[str]) -> str:
    rows = [
        {"": name, **{narrow(metric): interval_text(numbers, metric) for metric in metrics}}
        for name, numbers in measured.items()
    ]
    return markdown(pd.DataFrame(rows))


def summary_numbers(variant: Variant) -> dict[str, float]:
    """Few numbers of a variant, as far as they were measured: name → value.

    The attack is the strongest on `unseen_identity`, or on the only population there is; the reconstruction is the most
    successful search.
    """
    found: dict[str, float | None] = {"verification_auc": variant.utility.get("verification_auc")}
    if strongest := variant.strongest:
        found |= {f"attack_{name}": strongest.metrics.get(name) for name in ("auc", "auc_ci_low", TPR)}
        found["attack_over_blind"] = strongest.metrics.get("advantage_over_blind")
    if variant.optimized:
        found["match_advantage"] = max(numbers["match_advantage"] for numbers in variant.optimized.values())
    return {name: float(value) for name, value in found.items() if value is not None}


def summary_words(variant: Variant) -> dict[str, str]:
    """The strongest attack, and whether the variant leaks, as far as they were measured."""
    if (strongest := variant.strongest) is None:
        return {}
    return {"strongest_attack": strongest.attack, "verdict": variant.membership.reading(variant.population).code}
