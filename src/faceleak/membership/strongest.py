"""Which of several views of a variant an adaptive attacker takes: the best one on people of the attacker's own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faceleak.membership.access import may_look_at
from faceleak.membership.attackers import Encounter
from faceleak.membership.evidence import Evidence
from faceleak.membership.models.attackers_table import folds_over_people
from faceleak.membership.options import AttackOptions
from faceleak.signals.columns import columns_of

if TYPE_CHECKING:
    from faceleak.membership.attacks import Attack


def own_auc(known: Evidence, options: AttackOptions) -> float:
    """AUC on the attacker's own people, each judged by an attack that was fitted without them (five folds).

    Raises AttackFitError where there are too few of them.
    """
    from sklearn.metrics import roc_auc_score

    from faceleak.membership.attacks import fit_attack

    table = known.images[["identity", "is_member"]]
    ranks = np.zeros(len(table))
    for fitted, held_out in folds_over_people(table):
        score = fit_attack([known.rows(fitted)], options).score(known.rows(held_out))
        ranks[held_out] = pd.Series(score).rank(pct=True)  # scores of two fits have no common unit
    return float(roc_auc_score(table["is_member"], ranks))


def strongest(tries: Sequence[Encounter], fitted: "Mapping[str, Mapping[str, Attack]]", name: str) -> Encounter | None:
    """The encounter in which the attack `name` did best on the attacker's own people; None where it cannot be made.

    Shadows have no people of the target to judge by: where all is equal the undone view is taken, which is more like
    the references that they were fitted on.
    """
    possible = [
        meeting for meeting in tries if all(name in fitted.get(view, {}) for view in (meeting.fitted_on, meeting.view))
    ]
    return max(reversed(possible), key=lambda meeting: fitted[meeting.fitted_on][name].own_auc or 0.0, default=None)


def readable_columns(signals: pd.DataFrame) -> pd.DataFrame:
    """Without the columns that are empty for this view: those of layers that it does not have."""
    return signals.dropna(axis="columns", how="all")


def can_be_made(attack: AttackOptions, view: str, signals: pd.DataFrame) -> bool:
    """Whether the attacker has access enough for the view, and the view gives all signals of the attack."""
    return may_look_at(attack, view) and all(columns_of(name, signals) for name in attack.signals_read())
