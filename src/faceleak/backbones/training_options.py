"""Configuration of training a backbone."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from faceleak.backbones.architectures import check_architecture
from faceleak.common.options import Options

Side = Annotated[int, Field(ge=16, multiple_of=16)]


class TrainingOptions(Options):
    """Architecture and training with a margin: SGD with momentum, one cycle of the learning rate (1708.07120)."""

    architecture: str
    """Name of the architecture, or the import path of a class of your own."""
    normalization: Literal["batch", "group"] = "batch"
    """Kind of the normalization layers; `group` has no running statistics."""
    frozen_statistics: bool = False
    """Normalizes by the BN statistics that are there at the start, and leaves them."""
    image_size: Side | tuple[Side, Side] = 112
    """Size of the input in pixels: one side, or height and width."""
    embedding_size: int = Field(512, ge=2)
    """Numbers in an embedding."""
    epochs: int = Field(ge=0)
    """Passes over the images; 0 leaves the initial weights."""
    batch_size: int = Field(64, ge=2)
    """Images in a step."""
    learning_rate: float = Field(0.1, gt=0)
    """The highest learning rate, reached after `warmup_share` of the steps."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of SGD."""
    weight_decay: float = Field(5e-4, ge=0)
    """Weight decay of SGD."""
    warmup_share: float = Field(0.2, ge=0, lt=1)
    """Share of the steps in which the learning rate rises to `learning_rate`."""
    loss: Literal["arcface", "cosface"] = "arcface"
    """Kind of margin."""
    margin: float = Field(0.5, ge=0, lt=1.6)
    """Size of the margin: in radians for `arcface`, a cosine for `cosface`."""
    scale: float = Field(64.0, gt=0)
    """What cosines are multiplied by in the loss."""
    horizontal_flip: bool = True
    """Mirrors half of the images."""
    augmentation: Literal["none", "strong"] = "none"
    """Other changes of the images; `strong` also crops, changes colors, blurs and erases parts."""
    seed: int = 0
    """Seed of initial weights, order of images and augmentation."""

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, name: str) -> str:
        return check_architecture(name)

    @model_validator(mode="after")
    def _has_statistics_to_freeze(self) -> "TrainingOptions":
        if self.frozen_statistics and self.normalization != "batch":
            raise ValueError("frozen_statistics is about batch normalization, and normalization is not `batch`")
        return self
