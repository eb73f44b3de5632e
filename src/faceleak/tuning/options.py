"""Configuration of the `tuning` pipeline."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from faceleak.common.options import Options
from faceleak.membership.calibration import CalibrationName
from faceleak.membership.models import ModelName
from faceleak.membership.models import registry as models
from faceleak.membership.options import AttackOptions, ThreatModel
from faceleak.signals import SignalName
from faceleak.signals.columns import Layers


def _take_no_score(model: str) -> str:
    if models.regresses_a_score(model):
        others = ", ".join(name for name in models.names() if not models.regresses_a_score(name))
        raise ValueError(f"{model!r} takes a `score`, and no trial gives one. Allowed: {others}")
    return model


SearchedModel = Annotated[ModelName, AfterValidator(_take_no_score)]


class SignalSpace(Options):
    """Signals to choose from."""

    always: list[SignalName] = Field(min_length=1)
    """Signals that every trial reads."""
    optional: list[SignalName] = Field(default_factory=list)
    """Signals that each trial takes or leaves."""

    @model_validator(mode="after")
    def _name_each_once(self) -> "SignalSpace":
        names = self.names()
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(repeated)} stands more than once among `always` and `optional`")
        return self

    def names(self) -> list[str]:
        """All of them."""
        return [*self.always, *self.optional]


class SearchSpace(Options):
    """The attacks to choose from."""

    signals: SignalSpace
    """Signals to choose from."""
    layers: list[Layers] = Field(["all"], min_length=1)
    """Values of `layers` that a trial draws from."""
    model: list[SearchedModel] = Field(min_length=1)
    """Models that a trial draws from."""
    regularization: tuple[float, float]
    """Bounds of C above 0, the smaller one first, searched on a log scale; a model that does not read it is tried
    without.
    """
    calibration: list[CalibrationName | None] = Field(min_length=1)
    """Calibrations that a trial draws from."""

    @model_validator(mode="after")
    def _have_a_range(self) -> "SearchSpace":
        low, high = self.regularization
        if not 0 < low < high:
            raise ValueError(f"regularization is {low} to {high}; it takes two numbers above 0, the smaller one first")
        return self

    def attacks(self) -> list[AttackOptions]:
        """An attack by each model and each calibration, for what these look up."""
        signals = self.signals.names()
        return [
            *(AttackOptions(signals=signals, model=model) for model in self.model),
            *(AttackOptions(signals=signals, calibration=calibration) for calibration in self.calibration),
        ]

    def largest(self) -> AttackOptions:
        """An attack that reads all that any attack of the space reads."""
        calibration = next((name for name in self.calibration if name is not None), None)
        return AttackOptions(signals=self.signals.names(), calibration=calibration)

    def outside(self, attack: AttackOptions) -> list[str]:
        """Why the space does not hold this attack; nothing if it does."""
        low, high = self.regularization
        reasons = {
            "`signals.always` has what it does not read": not set(self.signals.always) <= set(attack.signals),
            "`signals` lacks what it reads": not set(attack.signals) <= set(self.signals.names()),
            f"`layers` lacks {attack.layers!r}": attack.layers not in self.layers,
            f"`model` lacks {attack.model!r}": attack.model not in self.model,
            f"`calibration` lacks {attack.calibration!r}": attack.calibration not in self.calibration,
            f"`regularization` does not hold {attack.regularization}": not low <= attack.regularization <= high,
            "it is `online`": attack.online,
        }
        return [reason for reason, holds in reasons.items() if holds]


class StudyOptions(Options):
    """What every study takes."""

    trials: int = Field(30, ge=1)
    """How many trials there are, failed ones not counted; raising it goes on with the same study."""
    workers: int = Field(1, ge=1)
    """Processes on the study; with more than one, which trials are drawn depends on their speed."""
    storage: SecretStr | None = None
    """URL of a database for studies of several machines; without one, a study is a file in `compute.cache`."""
    seed: int = Field(0, ge=0)
    """Seed of what the trials draw."""


class TuningOptions(StudyOptions):
    """The whole `tuning` block."""

    threat_model: ThreatModel
    """On which data attacks are judged: known people of the target, or shadows."""
    default: str
    """The attack of `membership.attacks` that is tried first and that the tuned one is compared with."""
    space: SearchSpace
    """The attacks to choose from."""
    pruning: bool = True
    """Whether a trial ends early whose value, after some folds, is below the median of the others'."""
