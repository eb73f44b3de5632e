"""Configuration of the `faces` pipeline: where images come from and which part each person plays."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from faceleak.common.named import Registry
from faceleak.common.options import Name, Options, checked
from faceleak.faces.sources import SourceModule

Role = Literal["member", "same_identity", "unseen_identity", "auxiliary", "public"]
PersonRole = Literal["member", "unseen_identity", "auxiliary", "public"]
StatedRole = Literal["member", "same_identity", "non_member", "unseen_identity", "auxiliary", "public"]


class DemoOptions(Options):
    """Fictitious people drawn by the demo generator.

    An image of a person has the latent √(1−s²)·z_person + s·ε, s = `image_variation`.
    """

    people: int = Field(ge=2)
    """How many people are drawn."""
    images_per_person: int = Field(ge=2)
    """How many images of each person are drawn."""
    image_variation: float = Field(0.55, ge=0, le=1)
    """How far the images of a person differ: the s in the latent √(1−s²)·z_person + s·ε."""
    nuisance: float = Field(0.5, ge=0, le=1)
    """Scale of photometric and geometric noise (1: colors ±25 %, rotation ±8°), so that images do not lie exactly on
    the generator's range.
    """
    seed: int = 0
    """Seed of the draws."""


class FolderOptions(Options):
    """A folder with one folder a person."""

    path: Path
    """The folder; images are `<path>/<identity>/<image>`. Whatever else lies below it is counted."""


class RecordOptions(Options):
    """RecordIO, as InsightFace or MXNet's im2rec writes it."""

    path: Path
    """The `.rec` file; its `.idx` file lies beside it, or records are read in their order."""


class BinOptions(Options):
    """InsightFace's verification set. Each image is a person of its own."""

    path: Path
    """The `.bin` file."""


class ParquetOptions(Options):
    """A Parquet file or a folder with such files."""

    path: Path
    """The file or the folder."""
    image_column: str = "image"
    """Column of encoded images, bytes or a struct with a field `bytes`."""
    identity_column: str = "identity"
    """Column that says who is on them, as text or whole numbers."""


class CsvOptions(Options):
    """A CSV list, as any spreadsheet writes it."""

    path: Path
    """The file, with `path,identity` or `path,identity,role`; paths in it are relative to it."""


class LfwDownloadOptions(Options):
    """Labeled Faces in the Wild, fetched by scikit-learn."""

    folder: Path
    """Folder that the images are fetched into."""
    funneled: bool = True
    """Whether roughly aligned images are fetched."""


class SourceBlocks(Options):
    """The blocks that describe sources; the one that `source` names is read."""

    folder: FolderOptions | None = None
    """A folder with one folder a person."""
    recordio: RecordOptions | None = None
    """RecordIO, as InsightFace or MXNet's im2rec writes it."""
    bin: BinOptions | None = None
    """InsightFace's verification set."""
    parquet: ParquetOptions | None = None
    """A Parquet file or a folder with such files."""
    csv: CsvOptions | None = None
    """A CSV list, as any spreadsheet writes it."""
    lfw_download: LfwDownloadOptions | None = None
    """Labeled Faces in the Wild, fetched by scikit-learn."""


KIND = "source of faces"
sources: Registry[SourceModule] = Registry("", KIND, SourceModule, words=SourceBlocks.model_fields)


class OneSource(SourceBlocks):
    """A source of faces: the block that `source` names describes it, or the `settings` of a source of your own."""

    source: str
    """Name of the block that describes the source, or the import path of a source of your own."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of a source of your own."""

    def described(self) -> Any:
        """What describes the source: the block of its name, or the settings of one of the user's own."""
        if self.is_own():
            return checked(sources.get(self.source).Settings, self.settings, self.source)
        return getattr(self, self.source)

    def is_own(self) -> bool:
        """Whether the source is the user's own."""
        return self.source not in type(self).model_fields

    @model_validator(mode="after")
    def _describe_the_source(self) -> "OneSource":
        if not self.described() and not self.is_own():
            raise ValueError(f"source is `{self.source}`, but there is no block `{self.source}` that describes it")
        if self.settings and not self.is_own():
            raise ValueError(f"`settings` are those of a source of your own; `{self.source}` has a block of its name")
        return self


class SourceOptions(OneSource):
    """One of several sources."""

    source: Annotated[str, sources]
    """The block that describes it, or the import path of your own, whose `settings` stand beside it."""
    role: StatedRole | None = None
    """What the user knows of its people. `member`: all images were trained on; `same_identity`: they show members
    (`people_of` names the source with their training images), but were not trained on; `non_member`: not trained on,
    and free to play any other role; `unseen_identity`, `auxiliary`, `public`: this role and no other.
    """
    people_of: str | None = None
    """Name of the source with the training images of these people, where that is another one."""


class QuarantineOptions(Options):
    """Images that are broken, or of a size that `validation` does not accept, are listed and left out."""

    maximum_share: float = Field(0.01, ge=0, le=1)
    """Share of all images; if more of them cannot be used, packing stops."""


class RoleOptions(Options):
    """How many people play a role, and how many images each of them gives."""

    people: Annotated[int, Field(ge=0)] | Literal["all"]
    """A number of people, or `all` that the other roles leave."""
    minimum_images: int = Field(1, ge=1)
    """People with fewer images do not play the role."""
    maximum_images: int | None = Field(None, ge=1)
    """Of people with more images, some are left out."""


class SplitOptions(Options):
    """Who is who."""

    roles: dict[PersonRole, RoleOptions]
    """How many people play each role; `member` and `unseen_identity` are needed."""
    training_share: float = Field(0.5, gt=0, lt=1)
    """Share of a member person's images that are trained on; the rest are `same_identity`."""
    known_share: float = Field(0.5, ge=0, lt=1)
    """Share of the member and of the unseen people who are known to an attacker with partial knowledge."""
    seed: int = 0
    """Seed of the draws."""

    @model_validator(mode="after")
    def _leave_room_for_both_halves(self) -> "SplitOptions":
        if "member" not in self.roles or "unseen_identity" not in self.roles:
            raise ValueError("roles needs at least `member` and `unseen_identity`: an audit compares the two")
        return self

    @model_validator(mode="after")
    def _let_one_role_take_all(self) -> "SplitOptions":
        greedy = [role for role, wanted in self.roles.items() if wanted.people == "all" and role != "member"]
        if len(greedy) > 1:
            raise ValueError(f"{' and '.join(greedy)} both ask for `all` people; one role at most can")
        return self


class ValidationOptions(Options):
    """What the validation node accepts."""

    minimum_size: int = Field(32, ge=1)
    """Smallest height and width, in pixels; smaller images go to the quarantine."""
    maximum_size: int = Field(4096, ge=1)
    """Largest height and width, in pixels; larger images go to the quarantine."""
    minimum_images_per_identity: int = Field(2, ge=1)
    """Least number of different images of a person who is compared."""


class FacesOptions(OneSource):
    """The whole `faces` block."""

    source: Annotated[str, Registry[SourceModule]("", KIND, SourceModule, words=[*sources.words, "demo", "several"])]
    """Name of the block that says where faces come from, or the import path of a source of your own."""
    demo: DemoOptions | None = None
    """Fictitious people drawn by the demo generator."""
    several: dict[Name, SourceOptions] = Field(default_factory=dict)
    """Several sources, by a name for each."""
    landmarks: Path | None = None
    """A file of five landmarks an image, CSV or JSON, by which photographs are aligned on their way into the store."""
    members: Path | None = None
    """A text file of who was trained on, a person or an image_id a line. All images of a person who is named are
    `member`; of a person of whom only images are named, the others are `same_identity`. All else is `non_member`.
    """
    quarantine: QuarantineOptions = QuarantineOptions()
    """When too many images cannot be used."""
    duplicates: Literal["stop", "drop"] = "stop"
    """What is done about copies of an image, the same bytes or the same picture saved again. `stop`: those that play
    several roles stop the run, those within a role are told. `drop`: one of each is kept, in the first of the roles
    member, same_identity, unseen_identity, auxiliary, public; no image changes its role.
    """
    splits: SplitOptions
    """Who plays which role."""
    validation: ValidationOptions = ValidationOptions()
    """What is accepted."""

    @model_validator(mode="after")
    def _state_members_once(self) -> "FacesOptions":
        if self.members is not None and self.source == "demo":
            raise ValueError("`members` says who of your own faces was trained on; the demo's people are drawn")
        if self.members is not None and self.source == "several" and any(part.role for part in self.several.values()):
            raise ValueError("`members` and the roles of `several` both say who was trained on: give one of them")
        return self

    @model_validator(mode="after")
    def _name_the_parts(self) -> "FacesOptions":
        for name, part in self.several.items():
            if part.people_of is not None and part.people_of not in self.several:
                raise ValueError(f"several.{name}.people_of is {part.people_of!r}, which is none of the sources")
        trained = {part.people_of or name for name, part in self.several.items() if part.role in ("member", None)}
        for name, part in self.several.items():
            if part.role == "same_identity" and (part.people_of or name) not in trained:
                raise ValueError(
                    f"several.{name}: its people are members (same_identity), and no source with the role member has "
                    "them. Name the source with their training images in people_of"
                )
        without = [name for name, part in self.several.items() if part.role is None and part.source != "csv"]
        if without and any(part.role for part in self.several.values()):
            raise ValueError(f"several.{', '.join(without)}: no role, while other sources state theirs; all or none do")
        return self
