"""The card of a backbone: what has to be known to use it, kept as JSON beside its weights."""

from typing import Any, Literal

from pydantic import Field

from faceleak.backbones.release import Release
from faceleak.options import Options

Normalisation = Literal["batch", "group", "folded"]


class Preprocessing(Options):
    """How RGB faces in 0…1 become the network's input: resized to `image_size`, (x − mean) / std for each channel."""

    image_size: int = Field(112, ge=16)
    colour_order: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


class BackboneCard(Options):
    """Architecture, preprocessing, and where the weights come from (`training` is empty where that was not here).

    `normalisation`: BN, group normalisation, or `folded`, what `folding.fold` makes of BN. `release`: what happens to
    an embedding before it is given away.
    """

    version: Literal[1] = 1
    architecture: str
    embedding_size: int = Field(ge=1)
    preprocessing: Preprocessing = Preprocessing()
    normalisation: Normalisation = "batch"
    release: Release | None = None
    training: dict[str, Any] = Field(default_factory=dict)
