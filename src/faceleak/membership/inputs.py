"""Inputs of an attack: the attacker's own images, the evaluated images, and the signals of both. They share no people.

Evidence is what is read off one backbone for some images, and off the references for the same images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError
from faceleak.faces.splits import EVALUATED_ROLES, with_role


class IdentityOverlapError(FaceleakError):
    """People whom the attacker knows are among the evaluated people."""


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
    """Raise IdentityOverlapError if the two share people."""
    if shared := set(known) & set(evaluated):
        raise IdentityOverlapError(
            f"{len(shared)} of {evaluated.nunique()} evaluated people are also known to the attacker, so a score on "
            "them would show the attacker's memory instead of the target's. Run the faces pipeline again: its splits "
            "draw whole people."
        )


class MissingSignalsError(FaceleakError):
    """Images that an attack needs have no signals."""


@dataclass(frozen=True, eq=False)
class AttackInput:
    """n images as one backbone and r references show them.

    images: image_id, identity, is_member (whether this backbone was trained on the image). own: the backbone's signals,
    a row an image. references: the same images' signals by each reference. non-member: (n, r), whether the reference
    never saw the person; if references are online, whether it was not trained on the image.
    """

    images: pd.DataFrame
    own: pd.DataFrame
    references: Sequence[pd.DataFrame]
    out: NDArray[np.bool_]

    def comparable(self) -> "AttackInput":
        """The images of people whom some reference never saw."""
        return self.rows(np.flatnonzero(self.out.any(axis=1)))

    def rows(self, kept: NDArray[np.intp]) -> "AttackInput":
        """Some of the images, in the order of `kept`."""
        references: list[pd.DataFrame] = [table.iloc[kept].reset_index(drop=True) for table in self.references]
        images, own = self.images.iloc[kept].reset_index(drop=True), self.own.iloc[kept].reset_index(drop=True)
        return AttackInput(images, own, references, self.out[kept])


def of_target(
    images: pd.DataFrame,
    signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    trained_on: pd.DataFrame | None = None,
) -> AttackInput:
    """Evidence about the target's images; without `trained_on`, the references know none of these people.

    signals: image_id and columns; calibration_signals: reference, image_id and columns. trained_on: reference and
    image_id, a row for each training image of an online reference. Raises MissingSignalsError.
    """
    images = images.reset_index(drop=True)
    by_reference = dict(tuple(calibration_signals.groupby("reference", sort=False)))
    references = [aligned(images, rows.drop(columns="reference")) for rows in by_reference.values()]
    out = np.ones((len(images), len(references)), bool)
    if trained_on is not None:
        of_reference = [trained_on.loc[trained_on["reference"] == name, "image_id"] for name in by_reference]
        for number, training_images in enumerate(of_reference):
            out[:, number] = ~images["image_id"].isin(training_images)
    return AttackInput(images, aligned(images, signals), references, out)


def of_references(
    reference_signals: pd.DataFrame, online: bool = False, shadow_signals: pd.DataFrame | None = None
) -> list[AttackInput]:
    """Every reference as a target whose members are known, with the others as its references.

    Online, the one that was drawn as its opposite is left out: who is a member of that says who is none of this.

    reference_signals: reference, image_id, identity, role, is_member and columns, references in the order of
    `split_references`. shadow_signals: reference, image_id and columns, read off each reference after it was defended:
    they are what it shows as a target, and the others stay as they are. Raises MissingSignalsError.
    """
    tables: dict[str, pd.DataFrame] = {
        str(name): rows.set_index("image_id") for name, rows in reference_signals.groupby("reference", sort=False)
    }
    names = list(tables)
    strange = {
        name: ~rows["is_member"] if online else rows["role"] == "unseen_identity" for name, rows in tables.items()
    }
    shown = {} if shadow_signals is None else dict(tuple(shadow_signals.groupby("reference", sort=False)))
    inputs = []
    for number, (name, rows) in enumerate(tables.items()):
        left_out = {name, names[_opposite(number, len(names))]} if online else {name}
        others = [other for other in names if other not in left_out]
        images = rows.reset_index()[["image_id", "identity", "is_member"]]
        out = np.column_stack([np.zeros((len(rows), 0), bool), *(strange[other].loc[rows.index] for other in others)])
        references = [tables[other].loc[rows.index].reset_index(drop=True) for other in others]
        own = rows.reset_index(drop=True) if shadow_signals is None else aligned(images, shown[name])
        inputs.append(AttackInput(images, own, references, out.astype(bool)))
    return inputs


def _opposite(number: int, references: int) -> int:
    """The other of a pair; the last of an odd number has none and leaves out the first, to have as many as the rest."""
    return number ^ 1 if number ^ 1 < references else 0


def aligned(images: pd.DataFrame, signals: pd.DataFrame) -> pd.DataFrame:
    """The rows of `signals` in the order of `images`. Raises MissingSignalsError."""
    signals = signals.set_index("image_id")
    if missing := int((~images["image_id"].isin(signals.index)).sum()):
        raise MissingSignalsError(
            f"{missing} of {len(images)} images have no signals: the splits have changed since signals were read. "
            "Run the membership pipeline again."
        )
    return signals.loc[images["image_id"]].reset_index(drop=True)
