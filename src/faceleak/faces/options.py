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

    `people`, `images_per_person`: how many are drawn. `seed`: of the draws.
    An image of a person has the latent √(1−s²)·z_person + s·ε, s = `image_variation`; `nuisance` scales photometric
    and geometric noise (1: colors ±25 %, rotation ±8°), so that images do not lie exactly on the generator's range.
    """

    people: int = Field(ge=2)
    images_per_person: int = Field(ge=2)
    image_variation: float = Field(0.55, ge=0, le=1)
    nuisance: float = Field(0.5, ge=0, le=1)
    seed: int = 0


class FolderOptions(Options):
    """A folder with one folder a person.

    `path`: of the folder; images are `<path>/<identity>/<image>`. Whatever else lies below it is counted.
    """

    path: Path


class RecordOptions(Options):
    """RecordIO, as InsightFace or MXNet's im2rec writes it.

    `path`: of the `.rec` file; its `.idx` file lies beside it, or records are read in their order.
    """

    path: Path


class BinOptions(Options):
    """InsightFace's verification set. Each image is a person of its own.

    `path`: of the `.bin` file.
    """

    path: Path


class ParquetOptions(Options):
    """A Parquet file or a folder with such files.

    `path`: of the file or the folder. `image_column`: encoded images, bytes or a struct with a field `bytes`.
    `identity_column`: who is on them, as text or whole numbers.
    """

    path: Path
    image_column: str = "image"
    identity_column: str = "identity"


class CsvOptions(Options):
    """A CSV list, as any spreadsheet writes it.

    `path`: of the file, with `path,identity` or `path,identity,role`; paths in it are relative to it.
    """

    path: Path


class LfwDownloadOptions(Options):
    """Labeled Faces in the Wild, fetched by scikit-learn into `folder`; `funneled`: roughly aligned."""

    folder: Path
    funneled: bool = True


class SourceBlocks(Options):
    """The blocks that describe sources; the one that `source` names is read."""

    folder: FolderOptions | None = None
    recordio: RecordOptions | None = None
    bin: BinOptions | None = None
    parquet: ParquetOptions | None = None
    csv: CsvOptions | None = None
    lfw_download: LfwDownloadOptions | None = None


KIND = "source of faces"
sources: Registry[SourceModule] = Registry("", KIND, SourceModule, words=SourceBlocks.model_fields)


class OneSource(SourceBlocks):
    """`source` names the block that describes it, or a source of your own by its import path, with its `settings`."""

    source: str
    settings: dict[str, Any] = Field(default_factory=dict)

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
    """One of several sources.

    `source`: the block that describes it, or the import path of your own, whose `settings` stand beside it.
    `role`: what the user knows of its people. `member`: all images were trained on; `same_identity`: they show
    members (`people_of` names the source with their training images), but were not trained on; `non_member`: not
    trained on, and free to play any other role; `unseen_identity`, `auxiliary`, `public`: this role and no other.
    """

    source: Annotated[str, sources]
    role: StatedRole | None = None
    people_of: str | None = None


class QuarantineOptions(Options):
    """Images that are broken, or of a size that `validation` does not accept, are listed and left out.

    `maximum_share`: of all images; if more of them cannot be used, packing stops.
    """

    maximum_share: float = Field(0.01, ge=0, le=1)


class RoleOptions(Options):
    """How many people play a role, and how many images each of them gives.

    `people`: a number, or `all` that the other roles leave. `minimum_images`: people with fewer do not play it.
    `maximum_images`: of people with more, some images are left out.
    """

    people: Annotated[int, Field(ge=0)] | Literal["all"]
    minimum_images: int = Field(1, ge=1)
    maximum_images: int | None = Field(None, ge=1)


class SplitOptions(Options):
    """Who is who. `training_share` of a member person's images are trained on, the rest are `same_identity`.

    `known_share` of the member and of the unseen people are known to an attacker with partial knowledge. `seed`: of the
    draws.
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

    @model_validator(mode="after")
    def _let_one_role_take_all(self) -> "SplitOptions":
        greedy = [role for role, wanted in self.roles.items() if wanted.people == "all" and role != "member"]
        if len(greedy) > 1:
            raise ValueError(f"{' and '.join(greedy)} both ask for `all` people; one role at most can")
        return self


class ValidationOptions(Options):
    """What the validation node accepts.

    `minimum_size`, `maximum_size`: of height and width, in pixels; images of another size go to the quarantine.
    `minimum_images_per_identity`: images of a person.
    """

    minimum_size: int = Field(32, ge=1)
    maximum_size: int = Field(4096, ge=1)
    minimum_images_per_identity: int = Field(2, ge=1)


class FacesOptions(OneSource):
    """The whole `faces` block. `source` names the block that says where faces come from, or a source of your own by
    its import path.

    `settings`: those of a source of your own.
    `duplicates`: what is done about copies of an image, the same bytes or the same picture saved again. `stop`: those
    that play several roles stop the run, those within a role are told. `drop`: one of each is kept, in the first of the
    roles member, same_identity, unseen_identity, auxiliary, public; no image changes its role.
    landmarks: a CSV file of five landmarks an image, by which raw photographs are aligned on their way into the store.
    """

    source: Annotated[str, Registry[SourceModule]("", KIND, SourceModule, words=[*sources.words, "demo", "several"])]
    demo: DemoOptions | None = None
    several: dict[Name, SourceOptions] = Field(default_factory=dict)
    landmarks: Path | None = None
    quarantine: QuarantineOptions = QuarantineOptions()
    duplicates: Literal["stop", "drop"] = "stop"
    splits: SplitOptions
    validation: ValidationOptions = ValidationOptions()

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
