"""What a caller hands in: faces as folders, arrays or a store, and a backbone as a network, a folder or a file."""

import hashlib
import io
import logging
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from faceleak.backbones.card import Preprocessing
from faceleak.backbones.presets import NamedPreprocessing
from faceleak.backbones.target_options import LoadOptions
from faceleak.common.errors import FaceleakError
from faceleak.common.options import describe
from faceleak.common.words import counted
from faceleak.faces.options import StatedRole
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.sources.several import NamedSource, SeveralFaces
from faceleak.faces.sources.source import ImageSource, Loss, SourceImage, names_of
from faceleak.faces.store import FaceStore

if TYPE_CHECKING:
    from torch import nn

    from faceleak.backbones.backbone import Backbone

IN_MEMORY = "memory"  # the source of images that were no files
SHOWN = 3  # names
NEEDED = {
    "members": "images that the backbone was trained on",
    "others": "faces of people whom it was not trained on",
    "auxiliary": "faces of yet other people, the attacker's own",
}

log = logging.getLogger(__name__)


class GivenError(FaceleakError):
    """What was handed in cannot be audited."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces in memory. images: RGB pixels, uint8 (n, height, width, 3); people: who is on each, n names or numbers.

    Raises GivenError where the two do not fit each other.
    """

    images: NDArray[np.uint8]
    people: Sequence[Hashable]

    def __post_init__(self) -> None:
        images = np.asarray(self.images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise GivenError(
                f"Faces are an array of {images.dtype} {images.shape}, but faceleak takes uint8 (n, height, width, 3): "
                "RGB pixels in 0…255. Convert them."
            )
        if len(self.people) != len(images):
            raise GivenError(
                f"There are {len(images):,} images and {len(self.people):,} entries that say who is on them: give one "
                "for each image."
            )


GivenFaces: TypeAlias = str | Path | Faces | tuple[NDArray[np.uint8], Sequence[Hashable]] | FaceStore
GivenBackbone: TypeAlias = "nn.Module | str | Path"


@dataclass(frozen=True)
class _ArrayFaces:
    """Faces in memory as a source; each image is written as BMP, which loses nothing, when it is read."""

    faces: Faces
    states_roles = False

    def fingerprint(self) -> str:
        digest = hashlib.sha256(repr([*map(str, self.faces.people)]).encode())
        digest.update(repr(self.faces.images.shape).encode() + np.ascontiguousarray(self.faces.images).tobytes())
        return digest.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.faces.images)

    def read(self, start: int) -> Iterator[SourceImage]:
        for number, (image_id, person) in islice(enumerate(self.names()), start, None):
            yield SourceImage(image_id, person, IN_MEMORY, _as_bmp(self.faces.images[number]))

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order."""
        people = map(str, self.faces.people)
        return ((f"{person}/{number:07d}", person) for number, person in enumerate(people))

    def losses(self) -> list[Loss]:
        return []


def _as_bmp(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "BMP")
    return buffer.getvalue()


@dataclass(frozen=True)
class _StoredFaces:
    """A packed store as a source: the bytes that it holds."""

    store: FaceStore
    states_roles = False

    @cached_property
    def _manifest(self) -> pd.DataFrame:
        return self.store.manifest()

    def fingerprint(self) -> str:
        return self.store.fingerprint

    def __len__(self) -> int:
        return len(self.store)

    def read(self, start: int) -> Iterator[SourceImage]:
        for position, row in enumerate(self._manifest.iloc[start:].itertuples(index=False), start):
            yield SourceImage(str(row.image_id), str(row.identity), str(row.source), self.store.jpeg(position))

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order."""
        return zip(self._manifest["image_id"], self._manifest["identity"], strict=True)

    def losses(self) -> list[Loss]:
        return []


@dataclass(frozen=True)
class Part:
    """One argument of `audit` that holds faces: which part its people play, and whose people they are."""

    role: StatedRole
    people_of: str | None = None


PARTS = {  # a name of an argument, under which its people go as well
    "members": Part("member"),
    "same_identity": Part("same_identity", people_of="members"),
    "others": Part("unseen_identity"),
    "auxiliary": Part("auxiliary"),
    "public": Part("public"),
}


def open_faces(given: Mapping[str, GivenFaces | None]) -> SeveralFaces:
    """Return all faces as one source whose images say which part they play. Raises GivenError.

    given: argument → faces, None where there are none. Without `public` faces, the auxiliary people may play that part.
    """
    for name, needed in NEEDED.items():
        if name in given and given[name] is None:
            raise GivenError(f"`{name}` is None. Give {needed}: a folder with one folder a person, or faceleak.Faces.")
    parts = []
    for name, faces in given.items():
        if faces is not None:
            part = PARTS[name]
            splits = name == "auxiliary" and given.get("public") is None
            role: StatedRole = "non_member" if splits else part.role
            parts.append(NamedSource(name, _open(name, faces), part.people_of or name, role))
    people = {part.name: {name for _, name in names_of(part.source)} for part in parts if part.people_of == part.name}
    remedy = "Take them out of one of the two (`same_identity` is for other images of members), or give them new names"
    for told in compare_names({f"`{name}`": found for name, found in people.items()}, remedy):
        log.warning(told)
    return SeveralFaces(tuple(parts))


def compare_names(people: Mapping[str, Collection[str]], remedy: str) -> list[str]:
    """Sentences about numbers that are names of people in two places, who are then two people.

    people: where → names there. Raises GivenError where it is no number: it is one person then, who would count as
    trained on and as not trained on.
    """
    told = []
    for (one, first), (other, second) in combinations(people.items(), 2):
        shared = sorted(set(first) & set(second))
        if named := [name for name in shared if not name.isdecimal()]:
            raise GivenError(
                f"{one} and {other} both have {counted(len(named), 'person', 'people')} of the same name, such as "
                f"{named[0]!r}, and nobody plays two parts. {remedy}."
            )
        if shared:
            told.append(
                f"{one} and {other} both have people called {', '.join(shared[:SHOWN])}{', …' * (len(shared) > SHOWN)}"
                f": numbers count and do not name, so they are taken for different people. If they are not, "
                f"{remedy[0].lower()}{remedy[1:]}."
            )
    return told


def _open(name: str, faces: GivenFaces) -> ImageSource:
    if isinstance(faces, FaceStore):
        return _StoredFaces(faces)
    if isinstance(faces, tuple) and len(faces) == 2:
        return _ArrayFaces(Faces(*faces))
    if isinstance(faces, Faces):
        return _ArrayFaces(faces)
    if isinstance(faces, str | Path):
        if Path(faces).is_file():
            raise GivenError(
                f"`{name}` is {str(faces)!r}, which is a file. Give the folder that holds one folder a person, its "
                "pixels as faceleak.Faces(images, people), or of a packed store faceleak.faces.store.FaceStore(path); "
                "`kedro faceleak new` reads RecordIO, .bin, Parquet and CSV lists as well."
            )
        if not Path(faces).is_dir():
            raise GivenError(f"`{name}` is {str(faces)!r}, and there is no such folder. Correct the path.")
        return FaceFolder(Path(faces), minimum_people=1)
    raise GivenError(
        f"`{name}` is of the type {type(faces).__name__}. Give a folder with one folder a person, "
        "faceleak.Faces(images, people), or a packed store."
    )


def load_backbone(path: str | Path, **described: Any) -> "Backbone":
    """Return a backbone in eval mode: from a folder that faceleak wrote, or from a file of weights that is `described`.

    described: the keys of `target.load` in the configuration, such as `architecture="iresnet50"`, `embedding_size=512`
    and `preprocessing="arcface"`; for a file of weights, not for a folder. No code in a file is run. Raises GivenError
    where a key is missing, unknown or wrong, and BackboneError where the weights do not fit.
    """
    from faceleak.auditing.target import load_described
    from faceleak.backbones import loading

    path = Path(path)
    if path.is_dir():
        if described:
            raise GivenError(f"{path} is a folder, whose backbone.json describes it: leave {', '.join(described)} out.")
        return loading.load_backbone(path)
    if not path.is_file():
        raise GivenError(f"There is no backbone at {path}. Check the path.")
    try:
        options = LoadOptions(weights=path, **described)
    except ValidationError as error:
        raise GivenError(_wrong(f"{path} is not described well enough", error)) from error
    backbone: Backbone = load_described(options)
    return backbone


def open_backbone(given: "GivenBackbone", preprocessing: Any) -> "Backbone":
    """Return what is to be audited as a backbone, in eval mode. Raises GivenError, BackboneError and FactoryError.

    preprocessing: how a network in memory is fed, a name of `presets.PRESETS`, a block or a `Preprocessing`.
    """
    from torch import nn

    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.wrapping import wrap

    if isinstance(given, Backbone | str | Path):
        if preprocessing is not None:
            raise GivenError("`preprocessing` is for a torch.nn.Module: this backbone says itself how it is fed.")
        return given.eval() if isinstance(given, Backbone) else load_backbone(given)
    if not isinstance(given, nn.Module):
        raise GivenError(
            f"The backbone is of the type {type(given).__name__}. Give a torch.nn.Module, what faceleak.load_backbone "
            "returns, or the path of a folder that faceleak wrote."
        )
    if preprocessing is None:
        raise GivenError(
            'A torch.nn.Module does not say how it is fed: give `preprocessing`, such as "arcface" or '
            '{"image_size": 112, "color_order": "RGB", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}.'
        )
    try:
        fed: Preprocessing = TypeAdapter(NamedPreprocessing).validate_python(preprocessing)
    except ValidationError as error:
        raise GivenError(_wrong("`preprocessing` cannot be used", error)) from error
    return wrap(given, fed)


def _wrong(what: str, error: ValidationError) -> str:
    lines = "\n".join(f"  {describe(problem)}" for problem in error.errors())
    return f"{what}:\n{lines}"
