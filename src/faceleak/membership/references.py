"""The attacker's reference backbones: the members of each, drawn only from the auxiliary people."""

import numpy as np
import pandas as pd

from faceleak.faces.splits import SplitError, halve, with_role
from faceleak.membership.options import ReferenceOptions

READ = 2  # apart from the seeds by which references are drawn


def split_references(splits: pd.DataFrame, options: ReferenceOptions) -> pd.DataFrame:
    """Give each auxiliary image a role for each reference: reference, image_id, identity, sha256, role, is_member.

    For every reference a random share of the people are trained on (one at least, and not all), each with a share of
    their images. References come in pairs, for which people are taken from opposite ends of one random order, so
    with equal shares everybody is known to half of the references. Raises SplitError without two auxiliary people.
    """
    images = with_role(splits, "auxiliary").sort_values("image_id")[["image_id", "identity", "sha256"]]
    if (people := images["identity"].nunique()) < 2:
        raise SplitError(
            f"Reference backbones are trained on some of the auxiliary people and compared on the others, and there "
            f"are {people}. Raise faces.splits.roles.auxiliary.people and run the faces pipeline again."
        )
    parts = [_one_reference(images, i, options) for i in range(options.count)]
    return pd.concat(parts, ignore_index=True)


def _one_reference(images: pd.DataFrame, number: int, options: ReferenceOptions) -> pd.DataFrame:
    people = np.random.default_rng([options.seed, number // 2]).permutation(np.sort(images["identity"].unique()))
    ordered = people if number % 2 == 0 else people[::-1]
    members = min(max(1, round(options.member_share * len(people))), len(people) - 1)
    trained_on = images["identity"].isin(ordered[:members])
    random = np.random.default_rng([options.seed, number, 1])
    shuffled = images.sample(frac=1, random_state=random)
    halves = halve(shuffled, options.training_share, "member", "same_identity").reindex(images.index)
    role = halves.where(trained_on, "unseen_identity")
    return images.assign(reference=reference_name(number), role=role, is_member=role == "member")


def images_to_read(reference_splits: pd.DataFrame, options: ReferenceOptions) -> pd.DataFrame:
    """Take from `split_references` what signals are read for: all images of `options.read_people`, by all references.

    Raises SplitError if a reference was trained on all of them, or on none.
    """
    people = np.sort(reference_splits["identity"].unique())
    if options.read_people is None or options.read_people >= len(people):
        return reference_splits
    drawn = np.random.default_rng([options.seed, 0, READ]).permutation(people)[: options.read_people]
    read = reference_splits[reference_splits["identity"].isin(drawn)]
    one_kind = read.groupby("reference")["is_member"].nunique() < 2
    if one_kind.any():
        raise SplitError(
            f"membership.references.read_people is {options.read_people}, and {one_kind.sum()} references were trained "
            "on all or none of the people that were drawn, so that nothing is learnt from them. Raise it, or change "
            "membership.references.seed."
        )
    return read


def reference_name(number: int) -> str:
    """Name of a reference backbone."""
    return f"reference_{number}"
