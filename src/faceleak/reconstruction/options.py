"""Configuration of the `reconstruction` pipeline."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from faceleak.backbones.training_options import TrainingOptions
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import ThreatModel
from faceleak.options import Options
from faceleak.reconstruction.priors.options import PriorOptions


class SearchOptions(Options):
    """Stage 2: `candidates` latents are ranked by the attack of stage 1, the best are optimised, `selected` returned.

    Optimisation runs in `rounds` of `steps` steps of Adam. Each round but the last keeps the better half, so the first
    one starts from selected·2^(rounds − 1) latents, where there are as many candidates. What is climbed is the mean
    score of a person's images, which differ from each other by `variation` (share of the latent's standard deviation,
    0 for a single image); `images_per_person` of them decide who is kept.
    """

    attack: str
    threat_model: ThreatModel = "partial_knowledge"
    candidates: int = Field(ge=2)
    selected: int = Field(ge=1)
    rounds: int = Field(3, ge=1)
    steps: int = Field(ge=0)
    learning_rate: float = Field(0.1, gt=0)
    variation: float = Field(0.3, ge=0, lt=1)
    images_per_person: int = Field(4, ge=1)
    batch_size: int = Field(64, ge=1)
    seed: int = 0

    @property
    def kept(self) -> list[int]:
        """How many latents are left after each round."""
        return [self.selected << max(0, self.rounds - 2 - number) for number in range(self.rounds)]

    @property
    def starts(self) -> int:
        """How many latents the first round starts from."""
        return min(self.candidates, self.selected << (self.rounds - 1))

    @model_validator(mode="after")
    def _enough_candidates(self) -> "SearchOptions":
        if self.selected > self.candidates:
            raise ValueError(
                f"selected is {self.selected}, but only {self.candidates} candidates are drawn to select from"
            )
        return self


class EvaluatorOptions(Options):
    """The judge: trained on other images of the member people and on as many control people; threshold at `far`."""

    training: TrainingOptions
    far: float = Field(0.001, gt=0, lt=1)


class ReconstructionOptions(Options):
    """The whole `reconstruction` block. `attackers`: who draws faces where no defence is judged.

    prior: as `PriorOptions`, or `trained`: what the `prior` pipeline has left in the folder `trained_prior`.
    """

    prior: PriorOptions
    trained_prior: Path = Path("data/06_models/prior")
    attackers: list[AttackerName] = Field(["plain"], min_length=1)
    search: SearchOptions
    evaluator: EvaluatorOptions

    @model_validator(mode="before")
    @classmethod
    def _find_the_trained_prior(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("prior") != "trained":
            return given
        folder = given.get("trained_prior", cls.model_fields["trained_prior"].default)
        return given | {"prior": {"trained": folder}}
