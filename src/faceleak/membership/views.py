"""The views of a variant that an attack may look at, and the one that an adaptive attacker takes.

Access is what an attacker has to hold: the head, the backbone's weights, or only what it answers to images. A headless
release keeps the classification head back, so what an attack finds with it is an upper bound: it stands apart from the
attacks, under a stage of metrics of its own, and decides nothing. Of several views the adaptive attacker takes the best
one on people of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from faceleak.bypasses import registry as bypasses
from faceleak.membership.attackers import Evaluation, View
from faceleak.membership.inputs import AttackInput
from faceleak.membership.models.base import folds_over_people
from faceleak.membership.options import AttackOptions, ModelKey
from faceleak.signals import registry as signals
from faceleak.signals.columns import columns_of

if TYPE_CHECKING:
    from faceleak.membership.attacks import Attack

AttackAccess = Literal["head", "weights", "embeddings"]
MEMBERSHIP = "membership"
UPPER_BOUND = "upper_bound"


def access_of(attack: AttackOptions) -> AttackAccess:
    """The access that the most demanding signal of the attack takes: the head, then weights, then embeddings."""
    accesses = {signals.get(name).access for name in attack.signals_read()}
    if "head" in accesses:
        return "head"
    return "weights" if "weights" in accesses else "embeddings"


def stage_of(attack: AttackOptions) -> str:
    """The stage of metrics where the attack's results stand: `upper_bound` if it takes the head, else `membership`."""
    return UPPER_BOUND if access_of(attack) == "head" else MEMBERSHIP


def upper_bounds(attacks: Mapping[str, AttackOptions]) -> list[str]:
    """The names of the attacks that take the head."""
    return [name for name, attack in attacks.items() if stage_of(attack) == UPPER_BOUND]


def may_look_at(attack: AttackOptions, view: View) -> bool:
    """Whether the access that the attack takes is enough for the bypass that makes the view.

    Whoever holds the head is taken to hold the weights as well.
    """
    bypass = view.bypass
    return not bypass or bypasses.get(bypass).ACCESS == "embeddings" or access_of(attack) != "embeddings"


def own_auc(known: AttackInput, options: AttackOptions) -> float:
    """AUC on the attacker's own people, each judged by an attack that was fitted without them (five folds).

    Raises AttackFitError if there are too few of them.
    """
    return list(own_aucs(known, options))[-1]


def own_aucs(known: AttackInput, options: AttackOptions) -> Iterator[float]:
    """After each fold the AUC on all people judged so far; the last value is `own_auc`. Raises AttackFitError."""
    from sklearn.metrics import roc_auc_score

    from faceleak.membership.attacks import fit_attack

    table = known.images[["identity", "is_member"]]
    ranks = np.full(len(table), np.nan)
    for fitted, held_out in folds_over_people(table):
        attack = fit_attack([known.rows(fitted)], options, with_threshold=False)
        score = attack.score(known.rows(held_out))
        ranks[held_out] = pd.Series(score).rank(pct=True)  # scores of two fits have no common unit
        judged = np.isfinite(ranks)
        yield float(roc_auc_score(table["is_member"][judged], ranks[judged]))


def own_auc_of_shadows(shadows: Sequence[AttackInput], options: AttackOptions) -> float | None:
    """AUC on shadows held out, a mean over all of them; None if there is one pair of references or less.

    References are drawn in pairs that share no person (`split_references`). A pair is held out together, so in
    what is fitted an image's membership of one shadow tells nothing of its membership of another. Raises
    AttackFitError.
    """
    return next(reversed(list(own_aucs_of_shadows(shadows, options))), None)


def own_aucs_of_shadows(shadows: Sequence[AttackInput], options: AttackOptions) -> Iterator[float]:
    """After each pair the mean over all shadows judged so far; the last value is `own_auc_of_shadows`.

    There is none if there is one pair of references or less. Raises AttackFitError.
    """
    from sklearn.metrics import roc_auc_score

    from faceleak.membership.attacks import fit_attack

    pairs = [shadows[first : first + 2] for first in range(0, len(shadows), 2)]
    if len(pairs) < 2:
        return
    aucs: list[float] = []
    for number, held_out in enumerate(pairs):
        others = [shadow for pair in (*pairs[:number], *pairs[number + 1 :]) for shadow in pair]
        attack = fit_attack(others, options, with_threshold=False)
        for shadow in held_out:
            judged = shadow if options.calibration is None else shadow.comparable()
            aucs.append(float(roc_auc_score(judged.images["is_member"], attack.score(judged))))
        yield float(np.mean(aucs))


def strongest(
    tries: Sequence[Evaluation], fitted: "Mapping[str, Mapping[ModelKey, Attack]]", model: ModelKey
) -> Evaluation | None:
    """The evaluation in which an attack did best on the attacker's own people; None where it cannot be made.

    An attack that shadows taught was judged on other shadows. If too few of them leave it unjudged, the bypassed
    view is taken.
    """
    possible = [
        evaluation
        for evaluation in tries
        if all(model in fitted.get(view.name, {}) for view in (evaluation.fitted_on, evaluation.view))
    ]
    return max(
        reversed(possible), key=lambda evaluation: fitted[evaluation.fitted_on.name][model].own_auc or 0.0, default=None
    )


def readable_columns(signals: pd.DataFrame) -> pd.DataFrame:
    """Without the columns that are empty for this view: those of layers that it does not have."""
    return signals.dropna(axis="columns", how="all")


def can_be_made(attack: AttackOptions, view: View, signals: pd.DataFrame) -> bool:
    """Whether the attacker has access enough for the view, and the view gives all signals of the attack."""
    return may_look_at(attack, view) and all(columns_of(name, signals) for name in attack.signals_read())
