"""What a path to faces holds: which kind of source, how many people and images, of what size. No image is kept."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

from faceleak.common.text_tables import TextTableError, read_table, slashed
from faceleak.common.words import counted
from faceleak.faces.images import ImageError, read_as_jpeg
from faceleak.faces.options import OneSource
from faceleak.faces.sources.marked import MarkedFaces
from faceleak.faces.sources.opening import open_one
from faceleak.faces.sources.parquet import may_be_images, may_be_people
from faceleak.faces.sources.recordio import MAGIC
from faceleak.faces.sources.source import ImageSource, SourceError, names_of, printable

KINDS = {
    "folder": "a folder with one folder a person",
    "recordio": "RecordIO",
    "bin": "a verification set of InsightFace, each image a person of its own",
    "parquet": "Parquet",
    "csv": "a CSV list",
}
PICKLE, PARQUET, RECORDIO = b"\x80", b"PAR1", MAGIC.to_bytes(4, "little")
ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
LABELS = ("identity", "label", "person", "person_id", "identity_id", "name", "id")
LOOKED_AT = 20_000  # images from the beginning, among which some are chosen to try the backbone on
PLACES, FEW_PLACES, AT_A_PLACE = 8, 2, 12  # of a source, at which images are looked at for their size
LARGE = 200_000  # images, in which a place takes long to find
ASPECTS = 3  # sizes that are told one by one
ALIGNED_SIDE = 256  # pixels: faces that are all of one size, and of this one at most, were cut out before


@dataclass(frozen=True)
class FoundFaces:
    """A source and what it holds.

    block: describes the source in the configuration, under its kind. roles: how many images a role and person have
    where somebody states roles, else under `None`. first: image_id and identity of the first images. sizes: width and
    height of some of them, by how often.
    """

    path: Path
    kind: str
    block: dict[str, Any]
    source: ImageSource
    roles: dict[str | None, Counter[str]]
    first: list[tuple[str, str]]
    sizes: Counter[tuple[int, int]]

    @property
    def images_a_person(self) -> Counter[str]:
        """How many images each person has, whatever part they play."""
        return sum(self.roles.values(), Counter())

    @property
    def look_aligned(self) -> bool:
        """Whether the images are as faces are that were cut out: all of one size, and not large."""
        return len(self.sizes) == 1 and max(next(iter(self.sizes))) <= ALIGNED_SIDE

    def people_with(self, images: int) -> int:
        """How many people have so many images at least."""
        return sum(number >= images for number in self.images_a_person.values())

    def described(self) -> str:
        """The kind of source and what it holds, in words."""
        numbers = self.images_a_person
        return (
            f"{printable(str(self.path))} is {KINDS[self.kind]}: {counted(len(numbers), 'person', 'people')}, "
            f"{counted(numbers.total(), 'image')} (median {median(numbers.values()):g} a person; "
            f"{self.people_with(2):,} people have 2 or more, {self.people_with(4):,} have 4 or more), "
            f"{self._sizes_in_words()}"
        )

    def _sizes_in_words(self) -> str:
        """Width and height in pixels, of several sizes the most frequent first; of many, the ends."""
        ranked = [f"{width}×{height}" for (width, height), _ in self.sizes.most_common()]
        if len(ranked) == 1:
            return f"{ranked[0]} pixels"
        looked_at = f"of {len(ranked)} sizes among the {self.sizes.total()} that were looked at"
        if len(ranked) <= ASPECTS:
            return f"{looked_at}: {' and '.join(ranked)} pixels"
        low, high = min(self.sizes, key=prod), max(self.sizes, key=prod)
        ends = f"from {low[0]}×{low[1]} to {high[0]}×{high[1]} pixels"
        return f"{looked_at}: {ends}, {ranked[0]} most often"


def look_at_faces(
    path: Path, members: Path | None = None, image_column: str | None = None, identity_column: str | None = None
) -> FoundFaces:
    """Recognize a source by its content, and count. Raises SourceError.

    members: a list of who was trained on. image_column, identity_column: of Parquet, where several may be meant.
    """
    kind, block = recognize_source(path, image_column, identity_column)
    source = open_one(OneSource.model_validate({"source": kind, kind: block}), minimum_people=1)
    if members is not None:
        source = MarkedFaces(source, members)
    roles: dict[str | None, Counter[str]] = {}
    first: list[tuple[str, str]] = []
    for image_id, identity, role in _with_roles(source, path):
        if identity:
            roles.setdefault(role, Counter())[identity] += 1
        if len(first) < LOOKED_AT:
            first.append((image_id, identity))
    if not roles:
        raise SourceError(f"{path} names nobody on its images: give each image its person.")
    sizes = _sizes(source)
    if not sizes:
        raise SourceError(
            f"None of the images of {path} that were looked at, all over it, can be read: is it faces that it holds?"
        )
    return FoundFaces(path, kind, block, source, roles, first, sizes)


def recognize_source(path: Path, image_column: str | None, identity_column: str | None) -> tuple[str, dict[str, Any]]:
    """The kind of source that a file or folder is, by its content, and the block that describes it."""
    if path.is_dir():
        return _recognize_folder(path, image_column, identity_column)
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(PARQUET):
        return "parquet", _parquet_block(path, path, image_column, identity_column)
    if start.startswith(RECORDIO):
        return "recordio", {"path": str(path)}
    if path.suffix == ".idx":
        raise SourceError(f"{path} is the index of a RecordIO file: give the .rec beside it.")
    if start.startswith(ARCHIVES):
        raise SourceError(f"{path} is an archive. Unpack it, and give the folder that holds the people's folders.")
    if start.startswith(PICKLE) or path.suffix == ".bin":
        return "bin", {"path": str(path)}
    try:
        next(read_table(path, "path", "identity"), None)
    except TextTableError as error:
        raise SourceError(
            f"{path} is no source of faces that is read: a folder with one folder a person, a .rec file, a "
            f"verification set (.bin), Parquet, or a CSV list with the columns path,identity. {error}"
        ) from error
    return "csv", {"path": str(path)}


def _recognize_folder(path: Path, image_column: str | None, identity_column: str | None) -> tuple[str, dict[str, Any]]:
    if parquet := sorted(path.glob("*.parquet")):
        return "parquet", _parquet_block(path, parquet[0], image_column, identity_column)
    records = sorted(path.glob("*.rec"))
    if len(records) > 1:
        raise SourceError(f"{path} holds {len(records)} .rec files: give one of them, such as {records[0]}.")
    return ("recordio", {"path": str(records[0])}) if records else ("folder", {"path": str(path)})


def _parquet_block(path: Path, file: Path, image_column: str | None, identity_column: str | None) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{file} is not a sound Parquet file ({error}). Copy it again.") from error
    images = [field.name for field in schema if may_be_images(field.type)]
    image = _one_of(images, image_column, ("image",), "--image-column", f"{file} holds encoded images in")
    people = [field.name for field in schema if may_be_people(field.type)]
    person = _one_of(people, identity_column, LABELS, "--identity-column", f"{file} may name people in")
    return {"path": str(path), "image_column": image, "identity_column": person}


def _one_of(columns: list[str], given: str | None, usual: tuple[str, ...], option: str, found: str) -> str:
    if given is not None:
        return given
    chosen = columns if len(columns) == 1 else [name for name in usual if name in columns]
    if not chosen:
        raise SourceError(f"{found} {', '.join(columns) or 'no column'}. Say which one it is with {option}.")
    return chosen[0]


def _with_roles(source: ImageSource, path: Path) -> Iterator[tuple[str, str, str | None]]:
    """image_id, identity and stated role of each image."""
    if isinstance(source, MarkedFaces):
        listed = source.listed
        yield from (
            (image_id, identity, listed.role(slashed(image_id), identity)) for image_id, identity in source.names()
        )
    elif source.states_roles:
        roles = (cells["role"] for _, cells in read_table(path, "path", "identity", "role"))
        yield from ((*names, role) for names, role in zip(names_of(source), roles, strict=True))
    else:
        yield from ((*names, None) for names in names_of(source))


def _sizes(source: ImageSource) -> Counter[tuple[int, int]]:
    """Width and height of images from all over the source: the first ones may be of one person."""
    sizes: Counter[tuple[int, int]] = Counter()
    number = len(source)
    places = min(PLACES if number <= LARGE else FEW_PLACES, -(-number // AT_A_PLACE))
    starts = [number * place // places for place in range(places + 1)] if places else []
    looked_at = (
        image for start, stop in pairwise(starts) for image in islice(source.read(start), min(AT_A_PLACE, stop - start))
    )
    for image in looked_at:
        if image.content and not image.problem:
            try:
                _, width, height = read_as_jpeg(image.content, image.image_id)
            except ImageError:
                continue
            sizes[width, height] += 1
    return sizes
