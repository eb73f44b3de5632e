"""Erasures side by side: what is still found after each method, what it costs, and what that means.

`read_erasure` reads the metrics once; table, figure, terminal and report show what it says.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from faceleak.metrics.erasure import (
    FOUND,
    GONE,
    LEVEL,
    MINIMUM_POWER,
    STILL_FOUND,
    UNKNOWN,
    VERDICTS,
    PersonVerdict,
    Verdict,
)
from faceleak.metrics.membership import Numbers
from faceleak.reporting.audit.parts import Measured
from faceleak.reporting.formats import measured, percent
from faceleak.reporting.style import (
    BLACK,
    GRAY,
    LABEL,
    MARKERS,
    PALETTE,
    SMALL,
    entitle,
    in_turn,
    new_figure,
    tidy,
    words,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tree = Mapping[str, Any]

BEFORE = "before"
GOLD = "is_gold"
COST = "cpu_seconds"
COST_OF_GOLD = "cost_of_gold"
UTILITY = ("verification_auc", "verification_auc_of_stays", "tar_at_far_0.1pct", "tar_at_far_0.1pct_of_stays")
SHARES = {verdict: f"share_{verdict.replace(' ', '_')}" for verdict in VERDICTS}
OF_PEOPLE = (STILL_FOUND, f"{STILL_FOUND}_at_1pct", f"{STILL_FOUND}_at_0.1pct")
SHOWN = ("stands_out", "found_before", "found_by_both", "stays_found", "auc", f"{STILL_FOUND}_over_gold")
COSTS = (*UTILITY, "verification_auc_change", "verification_auc_of_stays_change", COST, COST_OF_GOLD)
CHANCE = percent(Measured(value=LEVEL))
NOTE = (
    "At 5 % of people never in unless it says otherwise; a dash where they are too few. Stands out: in either "
    "direction. Found by both: by the difference of the scores before and after, by somebody who has both backbones."
)


@dataclass(frozen=True)
class Erased:
    """What one method did: its numbers by the attacker who decides, those by each attacker, and what they say."""

    method: str
    is_gold: bool
    numbers: Mapping[str, Any]
    by_attacker: Mapping[str, Mapping[str, Any]]
    verdict: Verdict
    because: str

    @property
    def sentence(self) -> str:
        """Method, verdict and why."""
        return f"{words(self.method).capitalize()}{' (gold)' if self.is_gold else ''}: {self.verdict}; {self.because}."


def erasure_tree(
    by_method: Mapping[str, Mapping[str, Numbers]],
    verdicts: Sequence[PersonVerdict],
    cost: pd.DataFrame,
    gold: str | None,
    decides: str,
) -> dict[str, Any]:
    """Join what was measured: method → metric, of the attacker who decides; all attackers below their names.

    cost: a row a run, and a row for each draw of the target itself, with utility and time. `cost_of_gold`: time by
    that of gold. `is_gold`: 1 for gold. `<utility>_change`: less what the target has.
    """
    means: dict[str, dict[str, float]] = {
        str(method): {name: float(rows[name].astype(float).mean()) for name in (COST, *UTILITY)}
        for method, rows in cost.groupby("method", sort=False)
    }
    tree: dict[str, Any] = {}
    for method, attackers in by_method.items():
        own = dict(attackers[decides]) if decides in attackers else {}
        counts = Counter(one.verdict for one in verdicts if one.method == method and one.attacker == decides)
        own |= {name: counts[verdict] / counts.total() for verdict, name in SHARES.items() if counts}
        own |= {name: _number(means[method][name]) for name in (COST, *UTILITY)}
        own |= {
            f"{name}_change": _number(means[method][name] - means[BEFORE][name])
            for name in UTILITY
            if name.startswith("verification_auc")
        }
        if gold is not None:
            own[COST_OF_GOLD] = _number(means[method][COST] / means[gold][COST])
            own[GOLD] = int(method == gold)
        tree[method] = own | {name: dict(numbers) for name, numbers in attackers.items()}
    return tree


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def erasure_table(tree: Tree) -> pd.DataFrame:
    """One row a method and attacker, one column a metric; utility, time and verdicts stand in the first attacker's."""
    rows = []
    for method, numbers in tree.items():
        own, by_attacker = _apart(numbers)
        for place, (attacker, found) in enumerate(by_attacker.items()):
            rows.append({"method": method, "attacker": attacker, **found, **({} if place else own)})
    return pd.DataFrame(rows)


def _apart(numbers: Tree) -> tuple[dict[str, Any], dict[str, Tree]]:
    """The numbers of a method itself, and those by each attacker."""
    own = {name: value for name, value in numbers.items() if not isinstance(value, Mapping)}
    return own, {name: value for name, value in numbers.items() if isinstance(value, Mapping)}


def read_erasure(tree: Tree) -> list[Erased]:
    """Every method, gold first, with what it can be said to have done."""
    gold = next((numbers for numbers in tree.values() if numbers.get(GOLD)), None)
    found = []
    for method, numbers in tree.items():
        own, by_attacker = _apart(numbers)
        found.append(Erased(method, bool(own.get(GOLD)), own, by_attacker, *_read(own, gold)))
    return sorted(found, key=lambda one: not one.is_gold)


def _read(numbers: Mapping[str, Any], gold: Mapping[str, Any] | None) -> tuple[Verdict, str]:
    """What a method did to the people together, and why one can say so."""
    low, never_in = numbers.get(f"{STILL_FOUND}_ci_low"), numbers.get("never_in")
    found, before, stays, seen = (
        percent(measured(numbers, name)) for name in (STILL_FOUND, "found_before", "stays_found", "smallest_seen")
    )
    by_gold = percent(measured(gold or {}, STILL_FOUND))
    cases: list[tuple[bool, Verdict, str]] = [
        (never_in is None, UNKNOWN, "the first attacker reads what this backbone does not give"),
        (low is None, UNKNOWN, f"{never_in} people never in are too few to set a rate of {CHANCE}"),
        (_above(gold or {}), UNKNOWN, f"even backbones that never saw them find {by_gold} of them"),
        (_above(numbers), FOUND, f"{found} are found, where chance finds {CHANCE}"),
        ((numbers.get("found_before") or 0) < MINIMUM_POWER, UNKNOWN, f"the target itself gave away {before} of them"),
        (
            (numbers.get("stays_found") or 0) < MINIMUM_POWER,
            UNKNOWN,
            f"the attack finds {stays} of the people who stay",
        ),
        (True, GONE, f"{found} are found; {seen} would have been seen"),
    ]
    return next((verdict, because) for holds, verdict, because in cases if holds)


def _above(numbers: Mapping[str, Any]) -> bool:
    """Whether more people are found than chance finds."""
    return (numbers.get(f"{STILL_FOUND}_ci_low") or 0) > LEVEL


def erasure_figure(tree: Tree) -> "Figure":
    """Share still found by every method and attacker, with chance, beside the loss of verification and the time."""
    methods = read_erasure(tree)
    attackers = list(dict.fromkeys(name for one in methods for name in one.by_attacker))
    figure = new_figure(10, 1.6 + 0.5 * len(methods))
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [3, 2]})
    for place, one in enumerate(methods):
        for number, attacker in enumerate(attackers):
            numbers = one.by_attacker.get(attacker, {})
            value = numbers.get(STILL_FOUND)
            if value is None:
                continue
            height = place + 0.16 * (number - (len(attackers) - 1) / 2)
            color, marker = in_turn(PALETTE, number), in_turn(MARKERS, number)
            ends = numbers.get(f"{STILL_FOUND}_ci_low"), numbers.get(f"{STILL_FOUND}_ci_high")
            left.hlines(height, *ends, color=color, linewidth=1.3)
            left.plot(value, height, marker, color=color, markersize=5, label=words(attacker))
        change = one.numbers.get("verification_auc_change")
        right.plot(0 if change is None else change, place, "o", color=BLACK, markersize=5)
        if (times := one.numbers.get(COST_OF_GOLD)) is not None:
            right.annotate(
                f"{times:.2f} × the time of gold",
                (0 if change is None else change, place),
                (7, 4),
                textcoords="offset points",
                fontsize=SMALL,
                color=GRAY,
            )
    left.axvline(LEVEL, color=GRAY, linewidth=1, linestyle="--")
    left.set_xlim(-0.02, 1.02)
    left.set_yticks(range(len(methods)), [words(one.method) + (" (gold)" if one.is_gold else "") for one in methods])
    left.invert_yaxis()
    left.set_xlabel("Share of erased people still found; dashed: chance", fontsize=LABEL)
    right.set_xlabel("Change of verification AUC, people never in", fontsize=LABEL)
    right.margins(x=0.5)
    right.locator_params(axis="x", nbins=4)
    for axes in (left, right):
        tidy(axes)
    handles, names = left.get_legend_handles_labels()
    if once := dict(zip(names, handles, strict=True)):
        figure.legend(once.values(), once, loc="outside lower left", ncols=len(once), fontsize=SMALL, frameon=False)
    entitle(figure, "Were people forgotten?")
    return figure
