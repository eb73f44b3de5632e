"""What has to hold before a study begins."""

from faceleak.common.errors import FaceleakError
from faceleak.membership.options import AttackOptions
from faceleak.signals import registry as signals
from faceleak.tuning.options import TuningOptions


class OutsideSpaceError(FaceleakError):
    """The default attack is none of those that are searched."""


class HeadInSpaceError(FaceleakError):
    """The space holds attacks that take the classification head."""


def check_access(options: TuningOptions) -> None:
    """Raise HeadInSpaceError if an attack of the space would read the classification head."""
    if of_head := [name for name in options.space.signals.names() if signals.get(name).access == "head"]:
        raise HeadInSpaceError(
            f"tuning.space.signals has {', '.join(of_head)}, which takes the classification head. What is found with "
            "it is an upper bound, and no attack on a headless release. Leave it out of the space."
        )


def check_default(default: AttackOptions, options: TuningOptions) -> None:
    """Raise OutsideSpaceError where the space does not hold the default attack."""
    if reasons := options.space.outside(default):
        raise OutsideSpaceError(
            f"tuning.space does not hold tuning.default, {options.default!r}: {', '.join(reasons)}. The default is "
            "tried first, so that tuning can be compared with it. Widen the space, or name another default."
        )
