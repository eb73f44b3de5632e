"""Verdicts: what membership metrics say about a population, in one line."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from faceleak.membership.options import BLIND
from faceleak.metrics.intervals import Interval, smallest_detectable_auc, standard_error_of_interval
from faceleak.reconstruction.arrays import CEILING
from faceleak.reporting.formats import ENDS, interval_text

Metrics = Mapping[str, Any]
Name = TypeVar("Name", bound=Hashable)
Verdict = Literal["leaks", "cannot conclude", "no evidence"]

UPPER_BOUND_NOTE = (
    "These attacks take the classification head, which a headless release keeps back: no part of a verdict."
)
ASR_ASSUMES = (
    "ASR: at a threshold of the attacker's own. A shadow attacker carries it over from its own backbones, trained on "
    "fewer people, as if the target scored like them: where it does not, ASR falls below what the AUC allows."
)
LARGEST_UNNOTICED_AUC = 0.7  # a sample that may well miss more than this is too small to speak of no evidence
ROUNDING = 1e-4  # relative distance of embeddings that differ by rounding alone
MOST = 0.5
EVALUATORS_KNOW = 0.1  # of real photographs of members: below, faces that were drawn well would go unnoticed too


class Reading(NamedTuple):
    """What metrics say, and why."""

    code: Verdict
    reason: str

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


def read_utility(utility: Metrics) -> str | None:
    """Say why a backbone with these metrics of utility is none that works; None if nothing speaks against it."""
    faults = "; ".join(_faults(utility))
    return f"the backbone does not work: {faults}" if faults else None


def _faults(utility: Metrics) -> Iterator[str]:
    if _bound(utility, "embedding_spread") <= ROUNDING:
        yield "its embeddings do not vary from face to face"
    elif _bound(utility, "constant_dimensions") > MOST:
        yield f"{utility['constant_dimensions']:.0%} of an embedding's numbers are the same for every face"
    if _bound(utility, "silent_channels") > MOST:
        yield f"{utility['silent_channels']:.0%} of its BN channels are dead: their variance is next to 0"
    if _low(utility, "verification_auc") <= 0.5:
        yield f"it recognizes nobody, verification AUC {interval_text(utility, 'verification_auc')} on unseen people"


def read_membership(
    membership: Mapping[str, Metrics], population: str, blind: Metrics | None = None, utility: Metrics | None = None
) -> Reading:
    """Say what the attacks on one variant show.

    membership: attack → population → metrics as `measure_membership` gives them; blind: those of the blind baseline
    where `membership` does not hold it; utility: the variant's, as far as it was measured. The first of these rules
    that applies decides:

    - cannot conclude, if the blind baseline's interval of the AUC lies above 0.5: it never saw the target, so the data
      by itself tells members from non-members;
    - cannot conclude, if the variant itself does not work (`read_utility`): it has nothing to give away, and what an
      attack finds all the same is named;
    - leaks, where an attack's interval lies above 0.5 and that of its advantage over the blind baseline above 0;
    - cannot conclude, if the target was loaded and a draw said who its members are;
    - cannot conclude, if an attack's interval lies above 0.5 and the blind baseline was not measured with it;
    - cannot conclude, if an AUC must be above `LARGEST_UNNOTICED_AUC` for this sample to show it with 80 % power,
      by the 95 % interval of the attack with the highest AUC: too few people;
    - no evidence otherwise, which is no proof that nothing leaks; the smallest AUC that would have been shown is named.
    """
    measured = {
        attack: populations[population] for attack, populations in membership.items() if population in populations
    }
    attacks = {attack: metrics for attack, metrics in measured.items() if not is_blind(attack)}
    blind = next((metrics for attack, metrics in measured.items() if is_blind(attack)), blind)
    if blind is not None and _low(blind, "auc") > 0.5:
        return Reading(
            "cannot conclude",
            f"the blind baseline alone separates members, AUC {interval_text(blind, 'auc')}. It never saw the target, "
            "so the data gives members away, whatever the target does",
        )
    above_chance = {attack: metrics for attack, metrics in attacks.items() if _low(metrics, "auc") > 0.5}
    leak = _leak(above_chance)
    if useless := read_utility(utility or {}):
        nothing = "That attacks on it find nothing says nothing of one that works"
        something = f"Take it for a leak all the same until that is mended: {leak}"
        return Reading("cannot conclude", f"{useless}. {nothing if leak is None else something}")
    if leak is not None:
        return Reading("leaks", leak)
    if in_the_way := _in_the_way(above_chance, utility or {}):
        return Reading("cannot conclude", in_the_way)
    smallest = _smallest_detectable(attacks)
    if smallest is not None and smallest > LARGEST_UNNOTICED_AUC:
        return Reading(
            "cannot conclude",
            "too few people: no attack is above chance and above the blind baseline, but this sample shows an AUC "
            f"below {smallest:.3f} with less than 80 % power",
        )
    nothing = "no attack is above chance and above the blind baseline by more than its interval"
    if smallest is not None:
        nothing += f". With 80 % power, this sample would have shown an AUC of {smallest:.3f} or more"
    return Reading("no evidence", nothing)


def _in_the_way(above_chance: Mapping[str, Metrics], utility: Metrics) -> str | None:
    """Why nothing can be concluded if no attack is known to find a leak; None if there is no reason."""
    if drawn := utility.get("drawn_members"):
        return (
            f"{drawn:.0%} of the images called members were drawn, and nobody knows whether a backbone that was handed "
            "in was trained on them. State by the roles of sources who was (docs/faces.md)"
        )
    if any("advantage_over_blind" not in metrics for metrics in above_chance.values()):
        return "no blind baseline was measured beside the attack, so the data may be what it reads"
    return None


def _leak(above_chance: Mapping[str, Metrics]) -> str | None:
    """What the strongest attack above the blind baseline finds; None if there is no such attack."""
    leaking = {a: metrics for a, metrics in above_chance.items() if _low(metrics, "advantage_over_blind") > 0}
    if (attack := strongest(leaking, "auc")) is None:
        return None
    return (
        f"{attack} has AUC {interval_text(leaking[attack], 'auc')}, "
        f"{interval_text(leaking[attack], 'advantage_over_blind')} over the blind baseline"
    )


def _smallest_detectable(attacks: Mapping[str, Metrics]) -> float | None:
    """By the interval of the best attack; None if it has none, or one without width, which says nothing."""
    bounds = [Interval(*(_bound(metrics, f"auc{end}") for end in ENDS)) for metrics in attacks.values()]
    known = [interval for interval in bounds if interval.high > interval.low]
    if not known:
        return None
    return smallest_detectable_auc(standard_error_of_interval(max(known, key=lambda interval: interval.value)))


def read_ceiling(steps: Mapping[str, Metrics]) -> str | None:
    """Say that the prior of a search cannot draw members; None where it can, or where nobody measured it.

    steps: step → metrics. It cannot where photos of members that it draws as nearly as it can match members no more
    than controls, by their interval, though the evaluators know members in photos that nobody drew. Nobody would be
    found by such a search, whatever the target gives away.
    """
    ceiling = steps.get(CEILING, {})
    if not _low(ceiling, "match_advantage") <= 0 or _bound(ceiling, "photograph_match_rate_ci_high") <= EVALUATORS_KNOW:
        return None
    share = interval_text(ceiling, "member_match_rate")
    return f"this prior cannot draw them: of photos of members that it draws as nearly as it can, {share} match one"


def strongest(found: Mapping[Name, Metrics], metric: str, otherwise: str = "") -> Name | None:
    """Name with the highest `metric`, of equal ones the highest `otherwise`, then the first; None if none has it."""
    measured = [name for name in found if found[name].get(metric) is not None]
    return max(measured, key=lambda name: (found[name][metric], found[name].get(otherwise) or 0.0), default=None)


def is_blind(attack: str) -> bool:
    """Whether this is the metric name of the blind baseline."""
    return attack.startswith(f"{BLIND}_")


def _low(metrics: Metrics, metric: str) -> float:
    return _bound(metrics, f"{metric}_ci_low")


def _bound(metrics: Metrics, name: str) -> float:
    bound = metrics.get(name)
    return float("nan") if bound is None else float(bound)
