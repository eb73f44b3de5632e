"""Conversion between a trial's parameters and an attack, and checks of the space before a study."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from faceleak.common.errors import FaceleakError
from faceleak.membership.models import registry as models
from faceleak.membership.options import AttackOptions
from faceleak.signals import registry as signals
from faceleak.tuning.options import SearchSpace, TuningOptions

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

SIGNAL, LAYERS, MODEL = "signals.{}", "layers", "model"
REGULARIZATION, CALIBRATION = "regularization", "calibration"


def suggest_attack(trial: "BaseTrial", space: SearchSpace) -> AttackOptions:
    """Let the trial choose an attack. Every trial has all parameters, also those that its model does not read."""
    taken = [name for name in space.signals.optional if trial.suggest_categorical(SIGNAL.format(name), [False, True])]
    choice = {
        LAYERS: trial.suggest_categorical(LAYERS, space.layers),
        MODEL: trial.suggest_categorical(MODEL, space.model),
        REGULARIZATION: trial.suggest_float(REGULARIZATION, *space.regularization, log=True),
        CALIBRATION: trial.suggest_categorical(CALIBRATION, space.calibration),
    }
    if not models.is_regularized(str(choice[MODEL])):
        del choice[REGULARIZATION]
    return AttackOptions(signals=[*space.signals.always, *taken], **choice)


def attack_of(parameters: Mapping[str, Any], space: SearchSpace) -> AttackOptions:
    """The attack that a trial with these parameters tries."""
    from optuna.trial import FixedTrial

    return suggest_attack(FixedTrial(dict(parameters)), space)


def parameters_of(attack: AttackOptions, space: SearchSpace) -> dict[str, Any]:
    """The parameters of a trial that tries this attack, which the space has to hold."""
    return {SIGNAL.format(name): name in attack.signals for name in space.signals.optional} | {
        LAYERS: attack.layers,
        MODEL: attack.model,
        REGULARIZATION: attack.regularization,
        CALIBRATION: attack.calibration,
    }


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
    """Raise OutsideSpaceError if the space does not hold the default attack."""
    if reasons := options.space.outside(default):
        raise OutsideSpaceError(
            f"tuning.space does not hold tuning.default, {options.default!r}: {', '.join(reasons)}. The default is "
            "tried first, so that tuning can be compared with it. Widen the space, or name another default."
        )
