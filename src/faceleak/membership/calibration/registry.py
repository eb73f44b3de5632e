"""Calibrations by name: the name is the file in this room and the key in the configuration."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faceleak.errors import FaceleakError
from faceleak.membership import calibration
from faceleak.named import check_name, files_of

NOT_CALIBRATIONS = frozenset({"registry", "reference_scores", "shared_variance", "student_t"})


class UnknownCalibrationError(FaceleakError):
    """No calibration has this name."""


class CalibrationModule(Protocol):
    """What a file of this room defines.

    `calibrate(scores, online=False, **options)` takes `ReferenceScores` of n images and gives (n,) finite numbers;
    higher says member. Offline reads only references that were not trained on an image; online also those that were.
    """

    calibrate: Callable[..., NDArray[np.float64]]


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
