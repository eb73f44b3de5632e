"""Configuration of training a backbone."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from faceleak.backbones.architectures import check_architecture
from faceleak.common.options import Options

Side = Annotated[int, Field(ge=16, multiple_of=16)]


class TrainingOptions(Options):
    """Architecture and training with a margin: SGD with momentum, one cycle of the learning rate (1708.07120).

    `architecture`: the name of one. `image_size`: pixels, one side or height and width. `embedding_size`: numbers in an
    embedding. `normalization`: `group` has no running statistics. `loss`: which kind of margin. `margin`: in radians
    for `arcface`, a cosine for `cosface`. `scale`: what cosines are multiplied by in the loss. `epochs`: 0 leaves the
    initial weights. `batch_size`: images in a step. `learning_rate`: the highest one, reached after `warmup_share` of
    the steps. `momentum`, `weight_decay`: those of SGD. `horizontal_flip`: mirrors half of the images. `augmentation`:
    `strong` also crops, changes colors, blurs and erases parts. `frozen_statistics`: normalizes by the BN statistics
    that are there at the start, and leaves them. `seed`: of initial weights, order of images and augmentation.
    """

    architecture: str
    normalization: Literal["batch", "group"] = "batch"
    frozen_statistics: bool = False
    image_size: Side | tuple[Side, Side] = 112
    embedding_size: int = Field(512, ge=2)
    epochs: int = Field(ge=0)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    warmup_share: float = Field(0.2, ge=0, lt=1)
    loss: Literal["arcface", "cosface"] = "arcface"
    margin: float = Field(0.5, ge=0, lt=1.6)
    scale: float = Field(64.0, gt=0)
    horizontal_flip: bool = True
    augmentation: Literal["none", "strong"] = "none"
    seed: int = 0

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, name: str) -> str:
        return check_architecture(name)

    @model_validator(mode="after")
    def _has_statistics_to_freeze(self) -> "TrainingOptions":
        if self.frozen_statistics and self.normalization != "batch":
            raise ValueError("frozen_statistics is about batch normalization, and normalization is not `batch`")
        return self
