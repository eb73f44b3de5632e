"""The card of a backbone: how to use it, as JSON in the folder of its weights."""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from faceleak.backbones.release import Release
from faceleak.common.options import Options
from faceleak.faces.canvas import Canvas, Fit

CARD_VERSION = 1
Normalization = Literal["batch", "group", "folded"]
Side = Annotated[int, Field(ge=16)]
ImageSize = Side | tuple[Side, Side]
Positive = Annotated[float, Field(gt=0)]


def height_and_width(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) in pixels; one number is the side of a square."""
    return (image_size, image_size) if isinstance(image_size, int) else image_size


class Preprocessing(Options):
    """How RGB faces in 0…1 become the network's input: brought to `image_size`, (x − mean) / std for each channel."""

    image_size: ImageSize = 112
    """Pixels: one number for a square, or [height, width]."""
    fit: Fit = "stretch"
    """What happens to faces of another aspect (`faces.canvas`)."""
    color_order: Literal["RGB", "BGR"] = "RGB"
    """Order of the channels in the training."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """What is subtracted from each channel, in the order of `color_order`."""
    std: tuple[Positive, Positive, Positive] = (0.5, 0.5, 0.5)
    """What each channel is divided by, in the order of `color_order`."""

    @property
    def canvas(self) -> Canvas:
        """What faces are brought to."""
        return Canvas(*height_and_width(self.image_size), self.fit)


class BackboneCard(Options):
    """How to use a backbone, and where its weights come from."""

    version: Literal[1] = 1
    """Version of the card's format."""
    architecture: str
    """A name, or `package.module:Class` of a module of the user's own, which is built with `arguments`."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of a module of the user's own, by name."""
    embedding_size: int = Field(ge=1)
    """Numbers in an embedding."""
    preprocessing: Preprocessing = Preprocessing()
    """How faces become the input."""
    normalization: Normalization = "batch"
    """BN, group normalization, or `folded`, what `folding.fold` makes of BN."""
    bn_eps: float | None = Field(None, gt=0)
    """Eps of all BN layers; None for that of the architecture."""
    release: Release | None = None
    """What happens to an embedding before it is given away."""
    training: dict[str, Any] = Field(default_factory=dict)
    """How the weights were trained; empty if that was not here."""

    def of_forward_pass(self) -> dict[str, Any]:
        """All that an embedding depends on: the card without `training`, as plain data."""
        return self.model_dump(mode="json", exclude={"training"})
