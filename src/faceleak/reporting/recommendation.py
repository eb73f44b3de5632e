"""The recommended defense in words: the cheapest that reaches a goal, and whether perturbation helps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import pandas as pd

from faceleak.membership.attackers import UNDEFENDED
from faceleak.metrics.roc import non_members_needed
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.formats import ACCESSES, ENDS, HEADINGS, TPR, interval_text
from faceleak.reporting.privacy_points import Row, by_access, checked, records, strongest_attackers
from faceleak.reporting.verdict import read_utility

FPR = 0.01
METRICS = {TPR: HEADINGS[TPR], "attack_auc": HEADINGS["auc"]}
PERTURBATION = "bn_perturbation"
WORTH_NAMING = 0.1  # share of the attacker's lead over chance

Code = Literal[
    "target useless", "not measurable", "no defense needed", "goal reached", "goal too costly", "goal not reached"
]
VERDICTS: dict[Code, str] = {
    "target useless": "Nothing can be recommended for the undefended target",
    "not measurable": "Cannot be told",
    "no defense needed": "No defense is needed",
    "goal reached": "{variant} reaches the goal at the least cost",
    "goal too costly": "No variant reaches the goal. The cheapest one that brings the {metric} down to it, {variant}, "
    "costs more utility than allowed",
    "goal not reached": "No variant reaches the goal. {variant} comes nearest",
}


class Goal(Protocol):
    """`metric` of the strongest attacker at most `at_most`, at a loss of verification AUC of at most `utility_loss`."""

    @property
    def metric(self) -> Literal["tpr_at_fpr_1pct", "attack_auc"]: ...
    @property
    def at_most(self) -> float: ...
    @property
    def utility_loss(self) -> float: ...


@dataclass(frozen=True)
class Choice:
    """What is recommended against attackers of one access, and why; `variant`: the one that the verdict names, if any.

    perturbation: whether perturbing BN statistics helps, in words, if variants of `bn_perturbation` were compared.
    """

    access: str
    code: Code
    metric: str
    reason: str
    variant: str = ""
    perturbation: str | None = None

    def verdict(self, quote: str = "") -> str:
        """The verdict in a sentence without numbers, the variant's name between quotes."""
        return VERDICTS[self.code].format(variant=f"{quote}{self.variant}{quote}", metric=self.metric)


@dataclass(frozen=True)
class Recommendation:
    """The goal in words, and a choice for each access."""

    goal: str
    choices: tuple[Choice, ...]

    def markdown(self) -> str:
        """The whole of it as a document."""
        sections = ["# Recommendation", f"Goal: {self.goal}."]
        sections += [f"**{_title(choice)}.** {choice.verdict('`')}: {choice.reason}" for choice in self.choices]
        answers = [f"- {_title(choice)}: {choice.perturbation}" for choice in self.choices if choice.perturbation]
        if answers:
            sections += ["## Does perturbing BN statistics help against an adaptive attacker?", "\n".join(answers)]
        return "\n\n".join(sections) + "\n"


def _title(choice: Choice) -> str:
    return ACCESSES[choice.access].capitalize()


def recommend(points: pd.DataFrame, goal: Goal) -> Recommendation:
    """Say for each access which variant reaches the goal at the least loss of utility, or that none does.

    points: as `privacy_points.collect` gives them, with the variant `undefended`, against which utility is lost. Of a
    variant's attackers the one with the highest `goal.metric` counts. The goal is reached or not by the number itself;
    if its interval says otherwise, the reason says so; if no point has the metric, since there are too few
    non-members for it, the reason says that. Nothing is recommended if the undefended target recognizes nobody.

    Raises ReportingError as `privacy_points.checked` does, and where an access lacks `undefended` or points lack the
    metric.
    """
    points = checked(points)
    if points[goal.metric].isna().all():
        return Recommendation(_in_words(goal), tuple(_not_measurable(points, goal)))
    if missing := int(points[goal.metric].isna().sum()):
        raise ReportingError(
            f"{missing} of {len(points)} points have no {goal.metric}, so nothing can be said about the goal. Measure "
            "it for all variants, or set the goal's metric to attack_auc."
        )
    panels = {access: _with_loss(rows) for access, rows in by_access(points)}
    return Recommendation(_in_words(goal), tuple(_choose(access, rows, goal) for access, rows in panels.items()))


def _not_measurable(points: pd.DataFrame, goal: Goal) -> Iterator[Choice]:
    needed = f", which takes {non_members_needed(FPR):.0f} non-members" if goal.metric != "attack_auc" else ""
    why = (
        f"the {METRICS[goal.metric]} was not measurable with so few{needed}. Evaluate more people "
        "(faces.splits.roles.unseen_identity), or set defense.goal to another metric."
    )
    for access, _ in by_access(points):
        yield Choice(access, "not measurable", METRICS[goal.metric], why)


def _in_words(goal: Goal) -> str:
    return (
        f"the strongest attacker's {METRICS[goal.metric]} is at most {goal.at_most:g}, at a loss of verification AUC "
        f"of at most {goal.utility_loss:g}"
    )


def _with_loss(rows: pd.DataFrame) -> pd.DataFrame:
    undefended = rows.loc[rows["variant"] == UNDEFENDED, "utility"]
    if undefended.empty:
        raise ReportingError(
            f"The points lack the variant `{UNDEFENDED}`, so no loss of utility can be told. Compare defenses together "
            "with the target itself."
        )
    adaptive = rows.loc[rows["attacker"] == "adaptive", "variant"]
    loss = (undefended.iloc[0] - rows["utility"]).round(9)  # 0.91 − 0.90 is 0.01
    return rows.assign(loss=loss, faced_adaptive=rows["variant"].isin(adaptive))


def _choose(access: str, rows: pd.DataFrame, goal: Goal) -> Choice:
    code, variant, reason = _decide(rows, goal)
    return Choice(access, code, METRICS[goal.metric], reason, variant, _perturbation(rows, goal))


def _decide(rows: pd.DataFrame, goal: Goal) -> tuple[Code, str, str]:
    """Verdict, the variant that it names, and the reason."""
    undefended = records(rows[rows["variant"] == UNDEFENDED])[0]
    if useless := read_utility({f"verification_auc{end}": undefended.get(f"utility{end}") for end in ENDS}):
        return "target useless", "", f"{useless}."
    judged = records(strongest_attackers(rows, goal.metric))
    reaching = [row for row in judged if row[goal.metric] <= goal.at_most]
    affordable = [row for row in judged if row["loss"] <= goal.utility_loss]  # the undefended one at least
    nearest = min(affordable, key=lambda row: (row[goal.metric], row["loss"]))
    within = f" Within that loss, `{nearest['variant']}` comes nearest: {_standing(nearest, goal)}."
    if reaching:
        if needed_none := [row for row in reaching if row["variant"] == UNDEFENDED]:
            return "no defense needed", "", f"the undefended target reaches the goal, {_leak(needed_none[0], goal)}."
        cheapest = min(reaching, key=lambda row: (row["loss"], row[goal.metric]))
        reason = f"{_standing(cheapest, goal)}."
        if cheapest["loss"] <= goal.utility_loss:
            return "goal reached", cheapest["variant"], reason
        return "goal too costly", cheapest["variant"], reason + within
    lowest = min(judged, key=lambda row: (row[goal.metric], row["loss"]))
    reason = f"{_standing(lowest, goal)}."
    same = lowest["variant"] == nearest["variant"]
    return "goal not reached", lowest["variant"], reason if same else reason + within


def _standing(row: Row, goal: Goal) -> str:
    """What the strongest attacker reaches, and the price."""
    price = f"at {row['loss']:.3f} less" if row["loss"] > 0 else "at no less"
    text = f"{_leak(row, goal)}, {price} verification AUC ({interval_text(row, 'utility')})"
    return text if row["faced_adaptive"] else f"{text}; no adaptive attacker was measured against it"


def _leak(row: Row, goal: Goal) -> str:
    bypass = f" after {row['bypass']}" if row["bypass"] else ""
    by = f"by the {row['attacker']} attacker with {row['attack']}{bypass}"
    text = f"{METRICS[goal.metric]} {interval_text(row, goal.metric)} {by}"
    high = row[f"{goal.metric}_ci_high"]
    if row[goal.metric] > goal.at_most or pd.isna(high):
        return text
    if high <= goal.at_most:
        return f"{text}, and its upper bound is within the goal too"
    return f"{text}, though its interval reaches up to {high:.3f}"


def _perturbation(rows: pd.DataFrame, goal: Goal) -> str | None:
    """One line on the perturbation that does most to a static attacker, among those that keep the utility."""
    by_attacker: dict[str, dict[str, Row]] = {"static": {}, "adaptive": {}}
    for row in records(rows):
        by_attacker.setdefault(row["attacker"], {})[row["variant"]] = row
    static, adaptive = by_attacker["static"], by_attacker["adaptive"]
    if not rows["variant"].str.startswith(PERTURBATION).any():
        return None
    perturbed = [row for name, row in static.items() if name.startswith(PERTURBATION) and name in adaptive]
    if not perturbed or UNDEFENDED not in adaptive:
        return "cannot be told, as not both a static and an adaptive attacker were measured."
    kept = [row for row in perturbed if row["loss"] <= goal.utility_loss]
    if kept:
        seen, which = min(kept, key=lambda row: row["attack_auc"]), "the strongest that keeps the utility"
    else:
        seen, which = min(perturbed, key=lambda row: row["loss"]), "the mildest, as none keeps the utility"
    faced, undefended = adaptive[seen["variant"]], adaptive[UNDEFENDED]
    text = (
        f"{_verdict(faced, undefended)} `{seen['variant']}` ({which}: {interval_text(seen, 'utility')}) takes the "
        f"static attacker to AUC {interval_text(seen, 'attack_auc')}; the adaptive one reaches "
        f"{interval_text(faced, 'attack_auc')}, against {interval_text(undefended, 'attack_auc')} on the undefended "
        "target."
    )
    lowest = min((adaptive[row["variant"]] for row in perturbed), key=lambda row: row["attack_auc"])
    if not lowest["attack_auc_ci_high"] < faced["attack_auc_ci_low"]:
        return text
    return (
        f"{text} At a higher price, `{lowest['variant']}` takes it to {interval_text(lowest, 'attack_auc')}, at a "
        f"verification AUC of {interval_text(lowest, 'utility')}."
    )


def _verdict(faced: Row, undefended: Row) -> str:
    if pd.isna(faced["attack_auc_ci_high"]) or pd.isna(undefended["attack_auc_ci_low"]):
        return "cannot be told without intervals."
    if faced["attack_auc_ci_high"] < undefended["attack_auc_ci_low"]:
        taken = 1 - (faced["attack_auc"] - 0.5) / (undefended["attack_auc"] - 0.5)
        return "yes." if taken >= WORTH_NAMING else f"hardly: it takes {taken:.1%} of the lead over chance."
    return "no." if faced["attack_auc"] >= undefended["attack_auc"] else "not shown, as the intervals overlap."
