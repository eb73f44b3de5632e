"""Evidence: what is read off one backbone for some images, and off the references for the same images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.errors import FaceleakError


class MissingSignalsError(FaceleakError):
    """Images that an attack needs have no signals."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """n images as one backbone and r references show them.

    images: image_id, identity, is_member (whether this backbone was trained on the image). own: the backbone's signals,
    a row an image. references: the same images' signals by each reference. stranger: (n, r), whether the reference
    never saw the person.
    """

    images: pd.DataFrame
    own: pd.DataFrame
    references: Sequence[pd.DataFrame]
    stranger: NDArray[np.bool_]

    def comparable(self) -> "Evidence":
        """The images of people whom some reference never saw."""
        kept = np.flatnonzero(self.stranger.any(axis=1))
        references: list[pd.DataFrame] = [table.iloc[kept].reset_index(drop=True) for table in self.references]
        images, own = self.images.iloc[kept].reset_index(drop=True), self.own.iloc[kept].reset_index(drop=True)
        return Evidence(images, own, references, self.stranger[kept])


def of_target(images: pd.DataFrame, signals: pd.DataFrame, calibration_signals: pd.DataFrame) -> Evidence:
    """Evidence about the target's images; the references know none of these people.

    signals: image_id and columns; calibration_signals: reference, image_id and columns. Raises MissingSignalsError.
    """
    images = images.reset_index(drop=True)
    by_reference = [rows for _, rows in calibration_signals.groupby("reference", sort=False)]
    references = [aligned(images, rows.drop(columns="reference")) for rows in by_reference]
    return Evidence(images, aligned(images, signals), references, np.ones((len(images), len(references)), bool))


def of_references(reference_signals: pd.DataFrame) -> list[Evidence]:
    """Every reference as a target whose members are known, with the others as its references.

    reference_signals: reference, image_id, identity, role, is_member and columns.
    """
    tables: dict[str, pd.DataFrame] = {
        str(name): rows.set_index("image_id") for name, rows in reference_signals.groupby("reference", sort=False)
    }
    unseen = {name: rows["role"] == "unseen_identity" for name, rows in tables.items()}
    evidence = []
    for name, rows in tables.items():
        others = [other for other in tables if other != name]
        images = rows.reset_index()[["image_id", "identity", "is_member"]]
        stranger = np.column_stack(
            [np.zeros((len(rows), 0), bool), *(unseen[other].loc[rows.index] for other in others)]
        )
        references = [tables[other].loc[rows.index].reset_index(drop=True) for other in others]
        evidence.append(Evidence(images, rows.reset_index(drop=True), references, stranger.astype(bool)))
    return evidence


def aligned(images: pd.DataFrame, signals: pd.DataFrame) -> pd.DataFrame:
    """The rows of `signals` in the order of `images`. Raises MissingSignalsError."""
    signals = signals.set_index("image_id")
    if missing := int((~images["image_id"].isin(signals.index)).sum()):
        raise MissingSignalsError(
            f"{missing} of {len(images)} images have no signals: the splits have changed since signals were read. "
            "Run the membership pipeline again."
        )
    return signals.loc[images["image_id"]].reset_index(drop=True)
