"""Configuration of the `membership` pipeline."""

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from faceleak.backbones.training_options import TrainingOptions
from faceleak.common.options import Aggregation, Name, Options
from faceleak.membership.calibration import FEATURES, CalibrationName
from faceleak.membership.models import ModelName
from faceleak.membership.models import registry as models
from faceleak.signals import SignalName, is_read_off_images
from faceleak.signals import registry as signals
from faceleak.signals.columns import Column, Layers, is_read_by_layer

ThreatModel = Literal["partial_knowledge", "shadow"]
BLIND = "blind"  # what the blind baseline is called among the attacks
CALIBRATED_SHADOWS = 4  # references: fewer leave a shadow nobody whom another one never saw
ONLINE_TARGETS = 3  # fewer leave no image with others that were trained on it and others that were not


class ModelKey(NamedTuple):
    """Which fitted attack: what the configuration calls it, and the threat model under which it was fitted."""

    attack: str
    threat_model: str

    @property
    def name(self) -> str:
        """What metrics and files call it."""
        return f"{self.attack}_{self.threat_model}"


BLIND_MODEL = ModelKey(BLIND, "partial_knowledge")


def _be_no_blind_baseline(name: str) -> str:
    if f"{name}_".startswith(f"{BLIND}_"):
        raise ValueError(
            f"{name!r} cannot be the name of an attack: `{BLIND}` is the blind baseline's, which needs none"
        )
    return name


AttackKey = Annotated[Name, AfterValidator(_be_no_blind_baseline)]


class AttackOptions(Options):
    """One attack: the signals it reads, the model that turns them into a score, and how references calibrate it."""

    signals: list[SignalName] = Field(min_length=1)
    """Names of the signals that are read."""
    layers: Layers = "all"
    """Of signals that are read at each BN layer, those of all layers or of a third of them, in the network's order."""
    model: ModelName = "logistic"
    """What turns the signals into a score."""
    regularization: float = Field(1.0, gt=0)
    """Inverse strength C of the logistic model."""
    score: str | None = None
    """Column whose distribution `quantile` regresses on the signals."""
    calibration: CalibrationName | None = None
    """None; `features`, which gives the model each number and its excess over the references; or a calibration of
    the model's score.
    """
    online: bool = False
    """Whether the calibration also reads references that were trained on the judged images themselves: the other
    targets of the `repeats` pipeline, which is the only one to make such attacks.
    """

    @model_validator(mode="after")
    def _calibrate_the_score_online(self) -> "AttackOptions":
        if self.online and not self.calibrates_its_score():
            raise ValueError("`online` takes a `calibration` of the score: `difference`, `lira`, `rmia` or `bavaria`")
        return self

    @model_validator(mode="after")
    def _name_the_score_of_quantile(self) -> "AttackOptions":
        if models.regresses_a_score(self.model) != (self.score is not None):
            regress = ", ".join(f"`{name}`" for name in models.names() if models.regresses_a_score(name))
            raise ValueError(f"`score` names the column that the model {regress} regresses: give both, or neither")
        if self.score is not None:
            signals.check(Column.parse(self.score).signal)
        return self

    def is_differentiable(self) -> bool:
        """Whether gradients of the score reach the image: stage 2 needs it."""
        fits = models.is_differentiable(self.model) and not self.calibrates_its_score() and self.layers == "all"
        return fits and all(map(is_read_off_images, self.signals))

    def reads_single_images(self) -> bool:
        """Whether a generated face has a score of its own: a stage 2 without gradients needs no more."""
        return not self.online and all(map(is_read_off_images, self.signals_read()))

    def calibrates_its_score(self) -> bool:
        """Whether references are compared by the attack model's score, not by its numbers."""
        return self.calibration not in (None, FEATURES)

    def signals_read(self) -> set[str]:
        """All signals that the attack needs."""
        return {*self.signals, *([] if self.score is None else [Column.parse(self.score).signal])}


class BlindOptions(Options):
    """The blind baseline, which never sees the target."""

    signals: list[SignalName] = Field(["pixel_statistics"])
    """Names of signals that read only the image."""
    reference_signals: list[SignalName] = Field(["bn_distance"])
    """Names of the signals that are read off `references` of the attacker's own reference backbones."""
    references: int = Field(1, ge=0)
    """How many reference backbones are read."""
    regularization: float = Field(1.0, gt=0)
    """Inverse strength C of its logistic model."""


class ReferenceOptions(Options):
    """Reference backbones, the attacker's own."""

    count: int = Field(ge=1)
    """How many there are."""
    member_share: float = Field(0.5, gt=0, lt=1)
    """Share of the auxiliary people, drawn for each reference, that it is trained on."""
    training_share: float = Field(0.5, gt=0, lt=1)
    """Share of these people's images that it is trained on."""
    read_people: Annotated[int, Field(ge=2)] | None = None
    """Of how many auxiliary people, drawn once, signals of references are read and shadow attacks learn; none: all."""
    training: TrainingOptions
    """How each is trained; what it does not give is that of `target.train`."""
    seed: int = 0
    """Seed of the draws."""


class RiskOptions(Options):
    """The attack by which the risk of each record is measured."""

    attack: str
    """Name of the attack by whose scores it is measured; its calibration is `bavaria`."""
    threat_model: ThreatModel
    """Threat model under which the attack was fitted."""


class TrainingSetOptions(Options):
    """The size of a training set: the user's own, to which the sweep is extrapolated."""

    people: int = Field(ge=2)
    """How many people there are."""
    images_per_person: int = Field(ge=1)
    """How many images of each there are."""


class SweepOptions(Options):
    """Training sets of the `sweep` pipeline: all combinations, attacked by `attack` with partial knowledge."""

    people: list[int] = Field(min_length=2)
    """Numbers of people that are combined."""
    images_per_person: list[int] = Field(min_length=2)
    """Numbers of images a person that are combined."""
    attack: str
    """Name of the attack, one without calibration."""
    minimum_steps: int = Field(200, ge=0)
    """Sets so small that the target's epochs are fewer steps than this are trained for more epochs."""
    training_set: TrainingSetOptions
    """The training set to which the sweep is extrapolated."""


class MembershipOptions(Options):
    """The whole `membership` block."""

    threat_models: list[ThreatModel] = Field(min_length=1)
    """What attackers have; each attack is fitted under every one."""
    attacks: dict[AttackKey, AttackOptions] = Field(min_length=1)
    """Attacks, by a name for each."""
    blind: BlindOptions = BlindOptions()
    """The blind baseline."""
    references: ReferenceOptions
    """Reference backbones of the attacker's own."""
    aggregation: Aggregation = "mean"
    """How the scores of a person's images become the person's."""
    targets: int = Field(5, ge=1)
    """How many targets the `repeats` pipeline attacks, the audited one among them."""
    risk: RiskOptions | None = None
    """The attack by which the `repeats` pipeline measures the risk of each record."""
    sweep: SweepOptions | None = None
    """Training sets of the `sweep` pipeline."""
    attributes: Path | None = None
    """A CSV file with `identity` or `image_id` and a column for each attribute, by which subgroups are compared."""

    def signals(self) -> list[str]:
        """All signals that any attack needs, each once."""
        return sorted({signal for attack in self.attacks.values() for signal in attack.signals_read()})

    def papers_attack(self) -> str | None:
        """Name of the attack of arXiv 2401.13719, BN distances of all layers by a logistic model; None without it."""
        papers = AttackOptions(signals=["bn_distance"])
        alike = (
            name
            for name, attack in self.attacks.items()
            if attack.model_copy(update={"regularization": papers.regularization}) == papers
        )
        return next(alike, None)

    def offline_attacks(self) -> dict[str, AttackOptions]:
        """The attacks that need no references trained on the judged images."""
        return {name: attack for name, attack in self.attacks.items() if not attack.online}

    def online_attacks(self) -> dict[str, AttackOptions]:
        """All other attacks."""
        return {name: attack for name, attack in self.attacks.items() if attack.online}

    def calibrated_signals(self) -> list[str]:
        """The signals that are read off the references for the target's images too, each once."""
        calibrated = [attack for attack in self.offline_attacks().values() if attack.calibration is not None]
        return sorted({signal for attack in calibrated for signal in attack.signals_read()})

    def online_signals(self) -> list[str]:
        """The signals that are read off the other targets for a target's images, each once."""
        return sorted({signal for attack in self.online_attacks().values() for signal in attack.signals_read()})

    def signals_of_references(self) -> list[str]:
        """All that is read off the references for the target's images: to calibrate, and for the blind baseline."""
        return sorted({*self.calibrated_signals(), *self.blind.reference_signals})

    @model_validator(mode="after")
    def _know_which_columns_are_those_of_a_third_of_the_layers(self) -> "MembershipOptions":
        for attack in self.attacks.values():
            for signal in attack.signals if attack.layers != "all" else []:
                is_read_by_layer(signal)
        return self

    @model_validator(mode="after")
    def _have_an_attack_that_every_pipeline_makes(self) -> "MembershipOptions":
        if not self.offline_attacks():
            online = ", ".join(self.online_attacks())
            raise ValueError(f"only `online` attacks are named ({online}), and the audit of one target makes none")
        return self

    @model_validator(mode="after")
    def _leave_non_members_to_calibrate_with(self) -> "MembershipOptions":
        calibrated = [name for name, attack in self.attacks.items() if attack.calibration is not None]
        if calibrated and "shadow" in self.threat_models and self.references.count < CALIBRATED_SHADOWS:
            raise ValueError(
                f"references.count is {self.references.count}, but {', '.join(calibrated)} under `shadow` takes "
                f"{CALIBRATED_SHADOWS}: a shadow is calibrated by others that never saw the person"
            )
        return self


def completed(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with what follows from others: references are trained as the target is.

    What `membership.references.training` does not give is that of `target.train`.
    """
    target, membership = parameters.get("target"), parameters.get("membership")
    references = membership.get("references") if isinstance(membership, dict) else None
    trained = target.get("train") if isinstance(target, dict) else None
    if not (isinstance(membership, dict) and isinstance(references, dict) and isinstance(trained, dict)):
        return parameters
    own = references.get("training") or {}
    if not isinstance(own, dict):
        return parameters
    references = {**references, "training": {**trained, **own}}
    return {**parameters, "membership": {**membership, "references": references}}
