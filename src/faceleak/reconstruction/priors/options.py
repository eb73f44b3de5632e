"""Configuration of the prior: which generator, its latent space, and how its faces are framed."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from faceleak.backbones.factories import check_factory
from faceleak.common.options import Options

Kind = Literal["demo", "trained", "principal_components", "stylegan2", "factory"]
LatentSpaceName = Literal["z", "w", "w_plus"]
Noise = Literal["constant", "none", "random"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class Crop(Options):
    """The part of a generated face that is kept."""

    left: Fraction
    """Left edge, as a fraction of the width."""
    top: Fraction
    """Upper edge, as a fraction of the height, from the top."""
    right: Fraction
    """Right edge, as a fraction of the width."""
    bottom: Fraction
    """Lower edge, as a fraction of the height, from the top."""

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
    """A converted StyleGAN2 checkpoint."""

    weights: Path
    """What `priors.convert` wrote."""
    sha256: Sha256 | None = None
    """SHA-256 that this file has to have, as 64 hexadecimal digits."""
    latent_space: LatentSpaceName = "z"
    """Where the search goes: `z` (normal latents), `w` (what the mapping network makes of them) or `w_plus` (a w for
    each layer).
    """
    truncation: float = Field(0.7, gt=0, le=1)
    """Faces are drawn at w_mean + truncation·(w − w_mean); 1 for no truncation."""
    noise: Noise = "constant"
    """Noise of the generator: `constant` as stored, `none`, or `random`."""


class PrincipalComponentsOptions(Options):
    """The directions in which faces of the role `public` vary most."""

    count: int = Field(512, ge=1)
    """How many directions there are: numbers in a latent."""
    size: int = Field(64, ge=16)
    """Side in pixels of the faces that they draw."""
    images: int = Field(8000, ge=2)
    """How many public faces they are fitted to, at most."""
    seed: int = 0
    """Seed of the randomized decomposition."""
    fitted: Path | None = None
    """The file that they lie in; the pipelines fill it in."""


class PriorOptions(Options):
    """One of: the word `demo`; `principal_components` or `stylegan2`, with its block; `factory`, a generator of the
    user's own; `trained`.
    """

    demo: bool = False
    """The generator of the demo; as a block, the word `demo` in its place."""
    trained: Path | None = None
    """Folder with what the `prior` pipeline has trained."""
    principal_components: PrincipalComponentsOptions | None = None
    """Principal components of the public faces, a prior without a generator."""
    stylegan2: StyleGAN2Options | None = None
    """A converted StyleGAN2 checkpoint."""
    factory: str | None = None
    """`package.module:Class`, a torch.nn.Module that is built with `arguments` and maps standard normal latents (n,
    `latent_size`) to RGB images (n, 3, height, width).
    """
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of the `factory`, by name."""
    weights: Path | None = None
    """State dict of the `factory`, where it does not come with it."""
    sha256: Sha256 | None = None
    """SHA-256 that the file of weights has to have, as 64 hexadecimal digits."""
    latent_size: int | None = Field(None, ge=1)
    """Numbers in a latent of the `factory`."""
    output_range: tuple[float, float] | None = None
    """The two numbers that are black and white in images of the `factory`."""
    crop: Annotated[Crop, BeforeValidator(_crop_by_name)] | None = None
    """The part of a face that is kept: a name of CROPS, or fractions."""
    image_size: int | None = Field(None, ge=16)
    """Side in pixels that faces are then scaled to; without it they keep theirs, and each backbone scales them to its
    own.
    """

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        if given != "demo":
            blocks = ", ".join(f"`{name}`" for name in get_args(Kind) if name != "demo")
            raise ValueError(f"there is no prior {given!r}; write `demo`, or a block with one of {blocks}")
        return {"demo": True}

    @field_validator("factory")
    @classmethod
    def _known_factory(cls, name: str | None) -> str | None:
        return name if name is None else check_factory(name)

    @model_validator(mode="after")
    def _is_one_prior(self) -> "PriorOptions":
        given = [name for name in get_args(Kind) if getattr(self, name)]
        if len(given) != 1:
            found, kinds = " and ".join(given) or "none", ", ".join(f"`{name}`" for name in get_args(Kind))
            raise ValueError(f"give one of {kinds}; found {found}")
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
        kind: Kind = next(name for name in get_args(Kind) if getattr(self, name))
        return kind
