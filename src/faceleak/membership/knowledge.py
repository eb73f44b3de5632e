"""What the attacker knows, and what the attack is judged on: never the same people."""

import pandas as pd

from faceleak.common.errors import FaceleakError
from faceleak.faces.splits import EVALUATED_ROLES, with_role


class IdentityOverlapError(FaceleakError):
    """People whom the attacker knows are among those that the attack is judged on."""


def known_images(splits: pd.DataFrame) -> pd.DataFrame:
    """Images that an attacker with partial knowledge has, with `is_member`."""
    images = with_role(splits, *EVALUATED_ROLES)
    images = images[images["known"]]
    return images.assign(is_member=images["role"] == "member")


def evaluated_images(splits: pd.DataFrame) -> pd.DataFrame:
    """Images that every attack is judged on, with `is_member`. Raises IdentityOverlapError."""
    images = with_role(splits, *EVALUATED_ROLES)
    evaluated = images[~images["known"]]
    attackers = splits.loc[splits["known"] | ~splits["role"].isin(EVALUATED_ROLES), "identity"]
    check_disjoint(attackers, evaluated["identity"])
    return evaluated.assign(is_member=evaluated["role"] == "member")


def check_disjoint(known: pd.Series, evaluated: pd.Series) -> None:
    """Raise IdentityOverlapError where the two share people."""
    if shared := set(known) & set(evaluated):
        raise IdentityOverlapError(
            f"{len(shared)} of {evaluated.nunique()} evaluated people are also known to the attacker, so a score on "
            "them would show the attacker's memory instead of the target's. Run the faces pipeline again: its splits "
            "draw whole people."
        )
