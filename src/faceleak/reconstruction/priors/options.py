"""Configuration of the prior: which generator, its latent space, and how its faces are framed."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from faceleak.backbones.factories import check_factory
from faceleak.common.options import Options

Kind = Literal["demo", "trained", "stylegan2", "factory"]
LatentSpaceName = Literal["z", "w", "w_plus"]
Noise = Literal["constant", "none", "random"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class Crop(Options):
    """The part of a generated face that is kept.

    `left`, `right`: fractions of its width. `top`, `bottom`: fractions of its height, from the top.
    """

    left: Fraction
    top: Fraction
    right: Fraction
    bottom: Fraction

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> "Crop":
        if self.left >= self.right or self.top >= self.bottom:
            raise ValueError("nothing is left: `left` lies before `right`, and `top` above `bottom`")
        return self


# Where ArcFace's 112×112 template lies in FFHQ's frame: FFHQ's rule (arXiv 1812.04948, appendix A: a square of side
# 2·max(2·|eye to eye|, 1.8·|eyes to mouth|) around the eyes' middle + 0.1·(eyes to mouth)), applied to that template.
CROPS = {"ffhq_to_arcface": Crop(left=0.118, top=0.120, right=0.883, bottom=0.885)}


def _crop_by_name(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    if given not in CROPS:
        raise ValueError(f"there is no crop {given!r}; known: {', '.join(CROPS)}, or left, top, right and bottom")
    return CROPS[given].model_dump()


class StyleGAN2Options(Options):
    """A converted StyleGAN2 checkpoint. weights: what `priors.convert` wrote. sha256: what that file has to have.

    latent_space: where the search goes: `z` (normal latents), `w` (what the mapping network makes of them) or `w_plus`
    (a w for each layer). truncation: faces are drawn at w_mean + truncation·(w − w_mean); 1 for no truncation.
    noise: `constant` as stored, `none`, or `random`.
    """

    weights: Path
    sha256: Sha256 | None = None
    latent_space: LatentSpaceName = "z"
    truncation: float = Field(0.7, gt=0, le=1)
    noise: Noise = "constant"


class PriorOptions(Options):
    """One of: the word `demo`; `stylegan2` with its block; `factory`, a generator of the user's own; `trained`.

    trained: the folder with what the `prior` pipeline has trained.
    factory: `package.module:Class`, a torch.nn.Module that is built with `arguments` and maps standard normal latents
    (n, `latent_size`) to RGB images (n, 3, height, width), black and white being the two numbers of `output_range`.
    weights: its state dict, where it does not come with it; sha256: what that file has to have.
    crop: the part of a face that is kept: a name of CROPS or fractions. image_size: pixels, the side that faces are
    then scaled to; without it they keep theirs, and each backbone scales them to its own.
    """

    demo: bool = False
    trained: Path | None = None
    stylegan2: StyleGAN2Options | None = None
    factory: str | None = None
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    weights: Path | None = None
    sha256: Sha256 | None = None
    latent_size: int | None = Field(None, ge=1)
    output_range: tuple[float, float] | None = None
    crop: Annotated[Crop, BeforeValidator(_crop_by_name)] | None = None
    image_size: int | None = Field(None, ge=16)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        if given != "demo":
            raise ValueError(f"there is no prior {given!r}; write `demo`, or a block with `stylegan2` or `factory`")
        return {"demo": True}

    @field_validator("factory")
    @classmethod
    def _known_factory(cls, name: str | None) -> str | None:
        return name if name is None else check_factory(name)

    @model_validator(mode="after")
    def _is_one_prior(self) -> "PriorOptions":
        given = [name for name in ("demo", "trained", "stylegan2", "factory") if getattr(self, name)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"give one of `demo`, `trained`, `stylegan2` and `factory`; found {found}")
        own = ("arguments", "weights", "sha256", "latent_size", "output_range")
        if self.factory is None and (misplaced := [name for name in own if getattr(self, name)]):
            raise ValueError(f"`{misplaced[0]}` belongs to a `factory`, and there is none")
        if self.factory is not None and (self.latent_size is None or self.output_range is None):
            raise ValueError("a `factory` needs `latent_size`, and `output_range` as [black, white]")
        if self.output_range is not None and self.output_range[0] == self.output_range[1]:
            raise ValueError("`output_range` has to be two different numbers, those of black and of white")
        return self

    @property
    def kind(self) -> Kind:
        """Which of the priors this is."""
        if self.demo:
            return "demo"
        if self.trained is not None:
            return "trained"
        return "factory" if self.stylegan2 is None else "stylegan2"
