"""Splits: which part each image plays, and what the attacker knows. Whole people are drawn, never single images.

Only `member` and `same_identity` share people: they are the two halves of the same person's images.
"""

import numpy as np
import pandas as pd
from numpy.random import Generator

from faceleak.errors import FaceleakError
from faceleak.faces.options import PersonRole, RoleOptions, SplitOptions

EVALUATED_ROLES = ("member", "same_identity", "unseen_identity")


class SplitError(FaceleakError):
    """The people at hand do not suffice for the roles that were asked for."""


def split(manifest: pd.DataFrame, options: SplitOptions) -> pd.DataFrame:
    """Give each image a role: image_id, identity, sha256, role, known (whether the attacker knows it).

    Roles are filled in the order of their demands, most images a person first. Images that no role takes are left
    out. The order of the manifest's rows and of the roles changes nothing. Raises SplitError where people are missing.
    """
    random = np.random.default_rng(options.seed)
    manifest = manifest.sort_values("image_id")
    counts = manifest.groupby("identity").size().sort_index()
    free = pd.Index(random.permutation(counts.index.to_numpy()))
    parts = []
    for role, wanted in sorted(options.roles.items(), key=lambda item: (-item[1].minimum_images, item[0])):
        people = _draw(free, counts, role, wanted)
        free = free.drop(people)
        parts.append(_with_role(manifest[manifest["identity"].isin(people)], role, wanted, options, random))
    columns = ["image_id", "identity", "sha256", "role", "known"]
    return pd.concat(parts).sort_values("image_id", ignore_index=True)[columns]


def _draw(free: pd.Index, counts: pd.Series, role: PersonRole, wanted: RoleOptions) -> pd.Index:
    suitable = free[counts[free] >= wanted.minimum_images]
    if len(suitable) < wanted.people:
        raise SplitError(
            f"The role `{role}` asks for {wanted.people} people with at least {wanted.minimum_images} images, and "
            f"{len(suitable)} are left of {len(counts)}. Lower faces.splits.roles.{role} or add people to the source."
        )
    return suitable[: wanted.people]


def _with_role(
    images: pd.DataFrame, role: PersonRole, wanted: RoleOptions, options: SplitOptions, random: Generator
) -> pd.DataFrame:
    images = images.sample(frac=1, random_state=random)
    place = images.groupby("identity").cumcount()
    if wanted.maximum_images is not None:
        images = images[place < wanted.maximum_images]
    images = images.assign(role=role, known=False)
    if role == "member":
        images["role"] = halve(images, options.training_share, "member", "same_identity")
    if role in ("member", "unseen_identity"):
        images["known"] = images["identity"].isin(_known_people(images["identity"], options.known_share, random))
    return images


def halve(images: pd.DataFrame, share: float, first: str, second: str) -> pd.Series:
    """Call the first `share` of each person's images `first` (one at least, and one left where possible)."""
    place = images.groupby("identity").cumcount()
    total = images.groupby("identity")["image_id"].transform("size")
    size = (share * total).round().clip(lower=1)
    size = size.where(total == 1, np.minimum(size, total - 1))
    return pd.Series(np.where(place < size, first, second), index=images.index)


def _known_people(identities: pd.Series, share: float, random: Generator) -> np.ndarray:
    people = np.sort(identities.unique())
    return random.permutation(people)[: round(share * len(people))]


def with_role(splits: pd.DataFrame, *roles: str) -> pd.DataFrame:
    """Rows of the given roles."""
    return splits[splits["role"].isin(roles)]
