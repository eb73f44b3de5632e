"""A request to be forgotten: the owner of a backbone, on what it was trained, and who of them is to be erased."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import Field

from faceleak.common.errors import FaceleakError
from faceleak.common.options import Options
from faceleak.defenses.owner import Owner

if TYPE_CHECKING:
    from faceleak.backbones.head import Head
    from faceleak.backbones.training_task import TrainingTask


class ErasureError(FaceleakError):
    """People cannot be erased, or nobody could tell whether they were."""


class StepOptions(Options):
    """How long and how fast a method trains on from the target's own weights."""

    epochs: int = Field(3, ge=1)
    """Passes over the images of the people who stay."""
    learning_rate: float = Field(0.01, gt=0)
    """Learning rate of SGD, the same in all steps."""


@dataclass(frozen=True)
class Request:
    """Who asks whom.

    images: image_id, identity and sha256 of all that `owner.backbone` was trained on. erased: identities, some of them.
    """

    owner: Owner
    images: pd.DataFrame
    erased: frozenset[str]

    @property
    def kept_images(self) -> pd.DataFrame:
        """Images of the people who stay."""
        return self.images[~self.images["identity"].isin(self.erased)]

    @property
    def erased_images(self) -> pd.DataFrame:
        """Images of the people who are to be erased."""
        return self.images[self.images["identity"].isin(self.erased)]

    def training(self) -> "TrainingTask":
        """How the backbone was trained. Raises ErasureError if it was loaded."""
        if self.owner.training is None:
            raise ErasureError(
                "This method trains the target further, or again, and the target was loaded, so nobody knows how. "
                "Describe its training in `target.train` with target.source `train`; or hand in the backbone after the "
                "erasure with `method: given` in erasure.methods, and leave the other methods out."
            )
        return self.owner.training

    def head(self) -> "Head":
        """The classification head that the backbone comes with. Raises ErasureError if there is none."""
        if self.owner.backbone.head is None:
            raise ErasureError(
                "This method works with the classification head, and the target comes without it. Give `head` and "
                "`identities` in target.load, or leave the method out of erasure.methods."
            )
        return self.owner.backbone.head
