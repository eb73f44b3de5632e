"""Who is erased: a random draw of members, repeated, or people whom the user names; and who is compared with them."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from faceleak.erasure.options import ErasedOptions, ErasureOptions
from faceleak.erasure.request import ErasureError
from faceleak.faces.splits import with_role

DRAW = "draw"
FEWEST_STAYING = 2


def draw_erased(splits: pd.DataFrame, options: ErasedOptions) -> pd.DataFrame:
    """Draw members whom the attacker does not know: draw (0, 1, …) and identity; or one draw of those that are named.

    The splits stay as they are. Raises ErasureError if somebody who is named is no member, or too few would stay.
    """
    members = with_role(splits, "member")
    unknown = np.sort(members.loc[~members["known"], "identity"].unique())
    if options.identities is None:
        if len(unknown) < options.people + FEWEST_STAYING:
            raise ErasureError(
                f"erasure.erased.people is {options.people}, and the attacker does not know {len(unknown)} members, of "
                f"whom {FEWEST_STAYING} at least have to stay to be compared with. Lower it, or raise the people of "
                "faces.splits.roles.member."
            )
        random = np.random.default_rng(options.seed)
        draws = [np.sort(random.permutation(unknown)[: options.people]) for _ in range(options.draws)]
    else:
        draws = [_named(options.identities, members, unknown)]
    return pd.concat(
        [pd.DataFrame({DRAW: number, "identity": people}) for number, people in enumerate(draws)], ignore_index=True
    )


def _named(named: Collection[str], members: pd.DataFrame, unknown: np.ndarray) -> np.ndarray:
    strange = sorted(set(named) - set(members["identity"]))
    if strange:
        raise ErasureError(
            f"{len(strange)} of {len(named)} people of erasure.erased.identities have no image with the role `member` "
            f"(such as {strange[0]!r}): the target is not known to have been trained on them. Correct the names, or "
            "state their role in the source (docs/faces.md)."
        )
    if len(set(unknown) - set(named)) < FEWEST_STAYING:
        raise ErasureError(
            f"All but {len(set(unknown) - set(named))} of the {len(unknown)} members whom the attacker does not know "
            f"are to be erased, and {FEWEST_STAYING} at least have to stay to be compared with. Name fewer people, or "
            "lower faces.splits.known_share."
        )
    return np.sort(np.array(sorted(named), dtype=object))


def panel_of(splits: pd.DataFrame, options: ErasureOptions) -> pd.DataFrame:
    """The images by which people are judged: image_id, identity, is_member, known; equally many a person at most.

    Members by images that the target was trained on, and people whom it never saw. `known`: an attack may be fitted
    on them.
    """
    images = with_role(splits, "member", *dict.fromkeys(["unseen_identity", *options.calibrated_on]))
    images = images.sort_values("image_id")
    images = images[images.groupby("identity").cumcount() < options.images_per_person]
    judged = images["known"] | images["role"].isin(["member", *options.calibrated_on])
    images = images[judged].reset_index(drop=True)
    return images.assign(is_member=images["role"] == "member")[["image_id", "identity", "is_member", "known"]]
