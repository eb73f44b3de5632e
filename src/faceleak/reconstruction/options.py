"""Configuration of the `reconstruction` pipeline."""

from typing import Literal

from pydantic import Field

from faceleak.backbones.training_options import TrainingOptions
from faceleak.membership.options import ThreatModel
from faceleak.options import Options


class SearchOptions(Options):
    """Stage 2: `candidates` latents are ranked by the attack of stage 1, the best `selected` optimised by Adam.

    `latent_prior` weighs the mean squared latent against the attack's score, which keeps latents where the generator
    was trained.
    """

    attack: str
    threat_model: ThreatModel = "partial_knowledge"
    candidates: int = Field(ge=2)
    selected: int = Field(ge=1)
    steps: int = Field(ge=0)
    learning_rate: float = Field(0.05, gt=0)
    latent_prior: float = Field(1.0, ge=0)
    batch_size: int = Field(64, ge=1)
    seed: int = 0


class EvaluatorOptions(Options):
    """The judge: trained on other images of the member people and on as many control people; threshold at `far`."""

    training: TrainingOptions
    far: float = Field(0.001, gt=0, lt=1)


class ReconstructionOptions(Options):
    """The whole `reconstruction` block."""

    prior: Literal["demo"]
    search: SearchOptions
    evaluator: EvaluatorOptions
