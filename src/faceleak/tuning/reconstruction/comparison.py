"""What tuning of stage 2 brought: the default and the tuned search on the target, whose people no trial saw.

The best of many trials is partly the luckiest one, so its value on the data it was chosen by is too high (the winner's
curse). Between the attacker's own target and the audited one there are other differences: the default's gap shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faceleak.metrics.identity_match import measure_match
from faceleak.metrics.intervals import Interval, independent_difference
from faceleak.metrics.judge import Judge
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import FloatArray
from faceleak.tuning.reconstruction.objective import ADVANTAGE, STEPS

FRESH, DIFFERENCE = "fresh_advantage", "fresh_advantage_difference"


@dataclass(frozen=True, eq=False)
class Contender:
    """A search: its match advantage on the attacker's own target, its steps a face, and what it found on the target.

    embeddings: of the faces found there, a judge's (n, d) each.
    """

    own_advantage: float
    steps_per_face: float
    embeddings: Sequence[FloatArray]


def compare(
    default: Contender, tuned: Contender, judges: Sequence[Judge], options: BootstrapOptions
) -> dict[str, dict[str, Any]]:
    """Measure both searches on the audited target, and the tuned one minus the default one.

    Returns `default`, `tuned` and `tuned_over_default`. The first two have `own_advantage`, `fresh_advantage` (the
    match advantage on the target), `gap` (own minus fresh), `steps_per_face` and what `measure_match` says besides; the
    last has `fresh_advantage_difference`, in −2…2. All but `own_advantage` and counts have `_ci_low` and `_ci_high`.
    The interval of the difference takes the two searches for independent; as they share judges and people, it is
    rather wide.
    """
    measured = {
        name: _measured(contender, judges, options) for name, contender in (("default", default), ("tuned", tuned))
    }
    first, second = (_interval(measured[name]) for name in ("tuned", "default"))
    return measured | {"tuned_over_default": independent_difference(first, second).named(DIFFERENCE)}


def _measured(contender: Contender, judges: Sequence[Judge], options: BootstrapOptions) -> dict[str, Any]:
    found = measure_match(contender.embeddings, judges, options)
    fresh = Interval(*(found.pop(f"match_advantage{end}") for end in ("", "_ci_low", "_ci_high")))
    own = contender.own_advantage
    gap = Interval(own - fresh.value, own - fresh.high, own - fresh.low)
    values = {ADVANTAGE: own} | fresh.named(FRESH) | gap.named("gap") | {STEPS: contender.steps_per_face}
    return values | found


def _interval(values: Mapping[str, Any]) -> Interval:
    return Interval(*(values[f"{FRESH}{end}"] for end in ("", "_ci_low", "_ci_high")))
