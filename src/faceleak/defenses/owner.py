"""The owner of a backbone, who defends it before release: the backbone, its training, and public faces."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from faceleak.common.errors import FaceleakError
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.training import TrainingTask


class DefenseError(FaceleakError):
    """A defense cannot be applied to this backbone, or its guarantee would not hold."""


@dataclass(frozen=True)
class Owner:
    """Who releases `backbone`.

    training: the task that it was trained as, with its private images; None if it came from outside. public:
    image_id, identity and sha256 of faces in `store` that are nobody's secret.
    """

    backbone: "Backbone"
    training: "TrainingTask | None"
    store: FaceStore
    public: pd.DataFrame
    compute: ComputeOptions

    def with_public_statistics(self) -> "Backbone":
        """A copy whose BN statistics are those of the public faces. Raises NoBatchNormError and ReestimationError."""
        from faceleak.backbones.batch_norm import reestimate

        return reestimate(self.backbone, self.store, self.public["image_id"], self.compute)

    def trained_here(self) -> "TrainingTask":
        """The target's training. Raises DefenseError if the target was loaded."""
        if self.training is None:
            raise DefenseError(
                "This defense trains the target again, and the target was loaded. Describe its training in "
                "`target.train` with target.source `train`, or take the defense out of defense.variants."
            )
        return self.training
