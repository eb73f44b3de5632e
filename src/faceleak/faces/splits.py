"""Splits: the role of each image, and what the attacker knows. Whole people are drawn, never single images.

Only `member` and `same_identity` share people: they are the two halves of the same person's images.
"""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np
import pandas as pd
from numpy.random import Generator

from faceleak.common.errors import FaceleakError
from faceleak.common.words import form
from faceleak.faces.options import PersonRole, RoleOptions, SplitOptions
from faceleak.faces.store import STATED_ROLE

EVALUATED_ROLES = ("member", "same_identity", "unseen_identity")


class SplitError(FaceleakError):
    """The people at hand do not suffice for the roles that were asked for."""


COLUMNS = ["image_id", "identity", "sha256", "role", "known", "decided_by"]
GROUPS = {"same_identity": "member"}  # roles that share their people with another one
BY_DRAW, BY_USER = "draw", "user"


def split(manifest: pd.DataFrame, options: SplitOptions) -> pd.DataFrame:
    """Draw a role for each image: image_id, identity, sha256, role, known (whether the attacker knows it), decided_by.

    `decided_by` is `draw`: who was trained on follows from these roles, not from what the user knows. Roles are filled
    in the order of their demands, most images a person first. Images that no role takes are left out. The order of the
    manifest's rows and of the roles changes nothing. Raises SplitError if people are missing.
    """
    drawn = _split(manifest.drop(columns=STATED_ROLE, errors="ignore"), None, options)
    return drawn.assign(decided_by=BY_DRAW)[COLUMNS]


def split_as_stated(manifest: pd.DataFrame, options: SplitOptions) -> pd.DataFrame:
    """Give each image the role that the user states in `stated_role`; the columns are those of `split`.

    `decided_by` is `user`: the backbone was trained by somebody else, on the members and not on the others.
    `options.roles` say how many of the people stated for a role are taken; people stated as `non_member` may play any
    role but `member`. All images of a member are trained on unless they are stated as `same_identity`. Raises
    SplitError if people are missing or one person is stated for roles that must be disjoint.
    """
    stated = manifest[["identity", STATED_ROLE]].drop_duplicates()
    if stated[STATED_ROLE].isna().any():
        raise SplitError("Some images have no role, while others do. State the role of every source, or of none.")
    stated = stated.assign(group=stated[STATED_ROLE].replace(GROUPS))
    groups = stated[["identity", "group"]].drop_duplicates().set_index("identity")["group"]
    if shared := sorted(groups.index[groups.index.duplicated()].unique()):
        raise SplitError(
            f"{len(shared)} people are stated for several roles that must be disjoint (such as {shared[0]!r}); only "
            "member and same_identity share people. Correct the roles in the source."
        )
    members = set(stated.loc[stated[STATED_ROLE] == "member", "identity"])
    if unstated := sorted(set(groups.index[groups == "member"]) - members):
        raise SplitError(
            f"{len(unstated):,} of {len(unstated) + len(members):,} members have images stated as same_identity, and "
            f"none as member, such as {unstated[0]!r}{_nearest(unstated[0], members)}. People are matched by their "
            "whole names: give their folders or labels the same name in both places, or state them as non_member."
        )
    return _split(manifest, groups, options).assign(decided_by=BY_USER)[COLUMNS]


def _nearest(name: str, others: set[str]) -> str:
    found = get_close_matches(name, others, n=1, cutoff=0)
    return f" (the nearest name of a member is {found[0]!r})" if found else ""


def alike(identities: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of people whose names differ only in case, in blanks around them, or in how accents are encoded."""
    first: dict[str, str] = {}
    pairs = []
    for name in sorted(set(identities)):
        other = first.setdefault(unicodedata.normalize("NFKC", name).casefold().strip(), name)
        if other != name:
            pairs.append((other, name))
    return pairs


def _split(manifest: pd.DataFrame, groups: pd.Series | None, options: SplitOptions) -> pd.DataFrame:
    """Fill the roles; `groups` (by identity) says which role each person is stated for."""
    random = np.random.default_rng(options.seed)
    order = manifest["image_id"].argsort().to_numpy()
    needed = ["identity", *(name for name in (STATED_ROLE,) if name in manifest)]  # long columns are not copied about
    images = manifest[needed].iloc[order].reset_index(drop=True)
    counts = images.groupby("identity").size().sort_index()
    free = pd.Index(random.permutation(counts.index.to_numpy()))
    parts, shortages = [], []
    for role, wanted in sorted(options.roles.items(), key=_demand):
        allowed = free if groups is None else _stated_for(role, free, groups)
        people = _draw(allowed, counts, wanted)
        shortages += _shortage(people, counts[allowed], len(counts), role, wanted)
        free = free.drop(people)
        of_role = _with_role(images[images["identity"].isin(people)], role, wanted, options, random)
        parts.append(of_role[["role", "known"]])
    if shortages:
        raise SplitError(" ".join(shortages))
    chosen = pd.concat(parts).sort_index()
    taken = manifest[["image_id", "identity", "sha256"]].iloc[order[chosen.index]].reset_index(drop=True)
    return taken.assign(role=chosen["role"].array, known=chosen["known"].array)


def _demand(item: tuple[PersonRole, RoleOptions]) -> tuple[bool, int, str]:
    """Sort key of a role: the most demanding roles come first, the one that takes all the rest comes last."""
    role, wanted = item
    return wanted.people == "all", -wanted.minimum_images, role


def _stated_for(role: PersonRole, free: pd.Index, groups: pd.Series) -> pd.Index:
    """People who may play `role`: those that are stated for it, then those who are stated as no members."""
    stated = groups[free]
    others = free[stated == "non_member"] if role != "member" else free[:0]
    return free[stated == role].append(others)


def _draw(free: pd.Index, counts: pd.Series, wanted: RoleOptions) -> pd.Index:
    """The people of a role; fewer than wanted if no more are suitable."""
    suitable = free[counts[free] >= wanted.minimum_images]
    return suitable if wanted.people == "all" else suitable[: wanted.people]


def _shortage(people: pd.Index, allowed: pd.Series, everybody: int, role: PersonRole, wanted: RoleOptions) -> list[str]:
    """What to say of a role that has fewer people than it asks for; nothing if it has enough.

    allowed: how many images each of those has who may play it. everybody: how many people there are.
    """
    few = allowed[allowed < wanted.minimum_images]
    too_few = (
        f"{len(few):,} {form(len(few), 'person', 'people')} who may play it {form(len(few), 'has', 'have')} too few "
        f"images each ({few.max()} at most, and minimum_images is {wanted.minimum_images}). "
        if len(few)
        else ""
    )
    if wanted.people == "all":
        nobody = f"No people are left for the role `{role}`, which asks for all of them. {too_few}".rstrip()
        return [] if len(people) else [nobody]
    if len(people) == wanted.people:
        return []
    return [
        f"The role `{role}` asks for {wanted.people} people with at least {wanted.minimum_images} images, and "
        f"{len(people)} are left of {everybody}. {too_few}Lower faces.splits.roles.{role} or add people to the source."
    ]


def _with_role(
    images: pd.DataFrame, role: PersonRole, wanted: RoleOptions, options: SplitOptions, random: Generator
) -> pd.DataFrame:
    images = images.sample(frac=1, random_state=random)
    place = images.groupby("identity").cumcount()
    if wanted.maximum_images is not None:
        images = images[place < wanted.maximum_images]
    images = images.assign(role=role, known=False)
    if role == "member" and STATED_ROLE in images:
        images["role"] = images[STATED_ROLE]
    elif role == "member":
        images["role"] = halve(images, options.training_share, "member", "same_identity")
    if role in ("member", "unseen_identity"):
        images["known"] = images["identity"].isin(_known_people(images["identity"], options.known_share, random))
    return images


def halve(images: pd.DataFrame, share: float, first: str, second: str) -> pd.Series:
    """Call the first `share` of each person's images `first` (one at least, and one left if possible)."""
    place = images.groupby("identity").cumcount()
    total = images.groupby("identity")["identity"].transform("size")
    size = (share * total).round().clip(lower=1)
    size = size.where(total == 1, np.minimum(size, total - 1))
    return pd.Series(np.where(place < size, first, second), index=images.index)


def _known_people(identities: pd.Series, share: float, random: Generator) -> np.ndarray:
    people = np.sort(identities.unique())
    return random.permutation(people)[: round(share * len(people))]


def with_role(splits: pd.DataFrame, *roles: str) -> pd.DataFrame:
    """Rows of the given roles."""
    return splits[splits["role"].isin(roles)]
