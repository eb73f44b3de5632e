"""Configuration of the `membership` pipeline."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from faceleak.backbones.training_options import TrainingOptions
from faceleak.options import Options
from faceleak.signals.registry import check_signal

ThreatModel = Literal["partial_knowledge", "shadow"]
SignalName = Annotated[str, AfterValidator(check_signal)]


class AttackOptions(Options):
    """One attack: the signals it reads. `regularisation` is the inverse strength C of its logistic regression."""

    signals: list[SignalName] = Field(min_length=1)
    regularisation: float = Field(1.0, gt=0)


class BlindOptions(Options):
    """The blind baseline: signals of the image alone, and signals read off the attacker's own reference backbones."""

    signals: list[SignalName] = Field(["pixel_statistics"])
    reference_signals: list[SignalName] = Field(["bn_distance"])
    references: int = Field(1, ge=0)
    regularisation: float = Field(1.0, gt=0)


class ReferenceOptions(Options):
    """Reference backbones: each is trained on a random `member_share` of the auxiliary people."""

    count: int = Field(ge=1)
    member_share: float = Field(0.5, gt=0, lt=1)
    training_share: float = Field(0.5, gt=0, lt=1)
    training: TrainingOptions
    seed: int = 0


class MembershipOptions(Options):
    """The whole `membership` block."""

    threat_models: list[ThreatModel] = Field(min_length=1)
    attacks: dict[str, AttackOptions] = Field(min_length=1)
    blind: BlindOptions = BlindOptions()
    references: ReferenceOptions

    def signals(self) -> list[str]:
        """All signals that any attack needs, each once."""
        return sorted({signal for attack in self.attacks.values() for signal in attack.signals})
