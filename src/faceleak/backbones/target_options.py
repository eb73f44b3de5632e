"""Configuration of the `target` pipeline: train a backbone on the members, or load one."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from faceleak.backbones.architectures import check_architecture
from faceleak.backbones.card import Preprocessing
from faceleak.backbones.training_options import TrainingOptions
from faceleak.options import Options


class LoadOptions(Options):
    """A target from outside: the name of its architecture and a file of weights (.safetensors, .pt, .pth)."""

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
    """The whole `target` block. `source` names the block that says where the target comes from."""

    source: Literal["train", "load"]
    train: TrainingOptions | None = None
    load: LoadOptions | None = None
    utility: UtilityOptions = UtilityOptions()

    @model_validator(mode="after")
    def _describe_the_source(self) -> "TargetOptions":
        if getattr(self, self.source) is None:
            raise ValueError(f"source is `{self.source}`, but there is no block `{self.source}` that describes it")
        return self
