"""Configuration of the `faces` pipeline: where images come from and which part each person plays."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from faceleak.options import Options

Role = Literal["member", "same_identity", "unseen_identity", "auxiliary", "public"]
PersonRole = Literal["member", "unseen_identity", "auxiliary", "public"]


class DemoOptions(Options):
    """Fictitious people drawn by the demo generator.

    An image of a person has the latent √(1−s²)·z_person + s·ε, s = `image_variation`; `nuisance` scales photometric
    and geometric noise (1: colours ±25 %, rotation ±8°), so that images do not lie exactly on the generator's range.
    """

    people: int = Field(ge=2)
    images_per_person: int = Field(ge=2)
    image_variation: float = Field(0.55, ge=0, le=1)
    nuisance: float = Field(0.5, ge=0, le=1)
    seed: int = 0


class FolderOptions(Options):
    """A folder with one folder a person: `<path>/<identity>/<image>`."""

    path: Path


class RoleOptions(Options):
    """How many people play a role, and how many images each of them gives (`maximum_images` at most)."""

    people: int = Field(ge=0)
    minimum_images: int = Field(1, ge=1)
    maximum_images: int | None = Field(None, ge=1)


class SplitOptions(Options):
    """Who is who. `training_share` of a member person's images are trained on, the rest are `same_identity`.

    `known_share` of the member and of the unseen people are known to an attacker with partial knowledge.
    """

    roles: dict[PersonRole, RoleOptions]
    training_share: float = Field(0.5, gt=0, lt=1)
    known_share: float = Field(0.5, ge=0, lt=1)
    seed: int = 0

    @model_validator(mode="after")
    def _leave_room_for_both_halves(self) -> "SplitOptions":
        if "member" not in self.roles or "unseen_identity" not in self.roles:
            raise ValueError("roles needs at least `member` and `unseen_identity`: an audit compares the two")
        return self


class ValidationOptions(Options):
    """What the validation node accepts: height and width in pixels, images a person."""

    minimum_size: int = Field(32, ge=1)
    maximum_size: int = Field(4096, ge=1)
    minimum_images_per_identity: int = Field(2, ge=1)


class FacesOptions(Options):
    """The whole `faces` block. `source` names the block that says where faces come from."""

    source: Literal["demo", "folder"]
    demo: DemoOptions | None = None
    folder: FolderOptions | None = None
    splits: SplitOptions
    validation: ValidationOptions = ValidationOptions()

    @model_validator(mode="after")
    def _describe_the_source(self) -> "FacesOptions":
        if getattr(self, self.source) is None:
            raise ValueError(f"source is `{self.source}`, but there is no block `{self.source}` that describes it")
        return self
