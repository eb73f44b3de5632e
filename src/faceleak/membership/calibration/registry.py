"""Calibrations by name: the name is the file in this room and the key in the configuration."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from faceleak.errors import FaceleakError
from faceleak.membership import calibration
from faceleak.membership.calibration.reference_scores import BoolArray, FloatArray, ReferenceScores
from faceleak.named import check_name, files_of

NOT_CALIBRATIONS = frozenset({"registry", "reference_scores", "gap", "shared_variance", "student_t"})
Fitted = dict[str, Any]  # plain data for JSON: what a calibration learnt from the attacker's own images


class UnknownCalibrationError(FaceleakError):
    """No calibration has this name."""


class CalibrationModule(Protocol):
    """What a file of this room defines.

    Offline reads only references that were not trained on an image; online also those that were.
    """

    calibrate: Callable[..., FloatArray]
    """`calibrate(scores, fitted, online=False, **options)`: n images → (n,) finite numbers; higher says member. What
    one image gets does not depend on which other images are judged."""

    def fit(self, scores: ReferenceScores, is_member: BoolArray, online: bool = False) -> Fitted:
        """Learn from images of the attacker's own, and from which of them the backbone was trained on, (n,)."""


def names() -> list[str]:
    """All calibrations there are."""
    return files_of(calibration, NOT_CALIBRATIONS)


def check_calibration(name: str) -> str:
    """Return `name`, or raise UnknownCalibrationError with the known names and the nearest one."""
    return check_name(name, "calibration", names(), UnknownCalibrationError)


def get(name: str) -> CalibrationModule:
    """Import the file of a calibration. Raises UnknownCalibrationError."""
    module: Any = import_module(f"faceleak.membership.calibration.{check_calibration(name)}")
    calibrated: CalibrationModule = module
    return calibrated
