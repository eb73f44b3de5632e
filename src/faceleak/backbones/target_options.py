"""Configuration of the `target` pipeline: train a backbone on the members, or load one."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from faceleak.backbones.architectures import check_architecture
from faceleak.backbones.card import Preprocessing
from faceleak.backbones.training_options import TrainingOptions
from faceleak.options import Options


class TrainedTarget(Options):
    """A target trained here on the images with the role `member`."""

    kind: Literal["train"]
    training: TrainingOptions


class LoadedTarget(Options):
    """A target from outside: the name of its architecture and a file of weights (.safetensors, .pt, .pth)."""

    kind: Literal["load"]
    architecture: str
    weights: Path
    embedding_size: int = Field(ge=1)
    preprocessing: Preprocessing = Preprocessing()

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, name: str) -> str:
        return check_architecture(name)


class UtilityOptions(Options):
    """How utility is measured: verification over pairs of images of people with the role `unseen_identity`."""

    maximum_pairs: int = Field(100_000, ge=1000)


class TargetOptions(Options):
    """The whole `target` block."""

    source: Annotated[TrainedTarget | LoadedTarget, Field(discriminator="kind")]
    utility: UtilityOptions = UtilityOptions()
