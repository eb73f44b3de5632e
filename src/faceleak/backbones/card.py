"""The card of a backbone: what has to be known to use it, kept as JSON beside its weights."""

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
    """How RGB faces in 0…1 become the network's input: brought to `image_size`, (x − mean) / std for each channel.

    image_size: pixels, one number for a square or [height, width]. fit: what happens to faces of another aspect
    (`faces.canvas`). `mean` and `std` are in the order of `color_order`, which is that of the training.
    """

    image_size: ImageSize = 112
    fit: Fit = "stretch"
    color_order: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[Positive, Positive, Positive] = (0.5, 0.5, 0.5)

    @property
    def canvas(self) -> Canvas:
        """What faces are brought to."""
        return Canvas(*height_and_width(self.image_size), self.fit)


class BackboneCard(Options):
    """Architecture, preprocessing, and where the weights come from (`training` is empty where that was not here).

    `architecture`: a name, or `package.module:Class` of a module of the user's own, which is built with `arguments`.
    `normalization`: BN, group normalization, or `folded`, what `folding.fold` makes of BN. `release`: what happens to
    an embedding before it is given away. `bn_eps`: eps of all BN layers, None for that of the architecture.
    """

    version: Literal[1] = 1
    architecture: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    embedding_size: int = Field(ge=1)
    preprocessing: Preprocessing = Preprocessing()
    normalization: Normalization = "batch"
    bn_eps: float | None = Field(None, gt=0)
    release: Release | None = None
    training: dict[str, Any] = Field(default_factory=dict)

    def of_forward_pass(self) -> dict[str, Any]:
        """All that an embedding depends on: the card without `training`, as plain data."""
        return self.model_dump(mode="json", exclude={"training"})
