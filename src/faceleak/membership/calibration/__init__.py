"""Calibrations, one file a method: how a membership score is compared with what references say of the same image."""

from typing import TYPE_CHECKING, Annotated, Any, Protocol

from faceleak.common.named import Registry

if TYPE_CHECKING:
    from faceleak.membership.calibration.reference_scores import BoolArray, FloatArray, ReferenceScores

FEATURES = "features"  # references are compared number by number, before the attack model
Fitted = dict[str, Any]  # plain data for JSON: what a calibration learnt from the attacker's own images


class CalibrationModule(Protocol):
    """What defines a calibration.

    Offline reads only references that were not trained on an image; online also those that were.
    """

    def fit(self, scores: "ReferenceScores", is_member: "BoolArray", online: bool = False) -> Fitted:
        """Learn from images of the attacker's own, and from which of them the backbone was trained on, (n,)."""
        ...

    def calibrate(self, scores: "ReferenceScores", fitted: Fitted, online: bool = False) -> "FloatArray":
        """n images → (n,) finite numbers; higher says member.

        What one image gets does not depend on which other images are judged.
        """
        ...


registry: Registry[CalibrationModule] = Registry(
    "faceleak.membership.calibration", "calibration", CalibrationModule, words=(FEATURES,)
)
CalibrationName = Annotated[str, registry]
