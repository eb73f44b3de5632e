"""Calibrations by name: the name is the file in this room and the key in the configuration."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faceleak.errors import FaceleakError
from faceleak.membership import calibration

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
    return sorted(module.name for module in iter_modules(calibration.__path__) if module.name not in NOT_CALIBRATIONS)


def check_calibration(name: str) -> str:
    """Return `name`, or raise UnknownCalibrationError with the known names and the nearest one."""
    if name not in names():
        near = get_close_matches(name, names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownCalibrationError(f"There is no calibration {name!r}.{hint} Known: {', '.join(names())}.")
    return name


def get(name: str) -> CalibrationModule:
    """Import the file of a calibration. Raises UnknownCalibrationError."""
    module: Any = import_module(f"faceleak.membership.calibration.{check_calibration(name)}")
    calibrated: CalibrationModule = module
    return calibrated
