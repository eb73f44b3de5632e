"""What has to hold before a study begins."""

from faceleak.errors import FaceleakError
from faceleak.membership.options import AttackOptions
from faceleak.tuning.options import TuningOptions


class OutsideSpaceError(FaceleakError):
    """The default attack is none of those that are searched."""


def check_default(default: AttackOptions, options: TuningOptions) -> None:
    """Raise OutsideSpaceError where the space does not hold the default attack."""
    if reasons := options.space.outside(default):
        raise OutsideSpaceError(
            f"tuning.space does not hold tuning.default, {options.default!r}: {', '.join(reasons)}. The default is "
            "tried first, so that tuning can be compared with it. Widen the space, or name another default."
        )
