"""Configuration of the `target` pipeline: train a backbone on the members, or load one."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from faceleak.backbones.architectures import check_architecture
from faceleak.backbones.card import Normalisation, Preprocessing
from faceleak.backbones.training_options import TrainingOptions
from faceleak.options import Options


class LoadOptions(Options):
    """A target from outside: the name of its architecture and a file of weights (.safetensors, .pt, .pth).

    head: the classification head, where it is at hand: a .safetensors file with `weight` (classes, embedding_size), and
    identities: a text file with one identity a line, in the order of the classes. head_scale multiplies its cosines.
    """

    architecture: str
    weights: Path
    embedding_size: int = Field(ge=1)
    preprocessing: Preprocessing = Preprocessing()
    normalisation: Normalisation = "batch"
    head: Path | None = None
    identities: Path | None = None
    head_scale: float = Field(64.0, gt=0)

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, name: str) -> str:
        return check_architecture(name)

    @model_validator(mode="after")
    def _say_whose_the_classes_are(self) -> "LoadOptions":
        if (self.head is None) != (self.identities is None):
            given, missing = ("head", "identities") if self.identities is None else ("identities", "head")
            raise ValueError(f"`{given}` is given without `{missing}`: give both, or neither")
        return self


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
