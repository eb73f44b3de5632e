"""Packing a source of any size: decoded and checked in worker processes, broken images set aside, resumed after a kill.

The store grows in parts under `<store>.parts`, each written whole: the sound images, and as metadata the broken ones
and where in the source the part ends. A run that was killed goes on after its last part. At the end the parts are
joined, so the store's bytes do not depend on workers or interruptions.
"""

import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from faceleak.faces.images import MAXIMUM_SIDE, ImageError, read_as_jpeg
from faceleak.faces.lock import packing_alone
from faceleak.faces.options import QuarantineOptions
from faceleak.faces.quarantine import Broken, QuarantineError, as_table, refusal
from faceleak.faces.sources.source import ImageSource, SourceImage, grouped, printable
from faceleak.faces.sources.verification_bin import VerificationFaces
from faceleak.faces.store import (
    FORMAT_VERSION,
    QUARANTINE,
    ROWS_PER_BATCH,
    SCHEMA,
    STATED_ROLE,
    Face,
    as_columns,
    digest_of,
    is_made_from,
    metadata_of,
    sha256_of,
    stated_digest,
    write_checksummed,
)
from faceleak.work.compute import ComputeOptions, available_cores, stream_tasks
from faceleak.work.progress import track
from faceleak.work.tasks import fingerprint, writing

PACKING_VERSION = 2  # raise it where the same source would be packed into another store
IMAGES_PER_TASK = 32
FEW_IMAGES = 2 * ROWS_PER_BATCH  # are decoded here: processes take longer to start
BYTES_PER_PART = 64 << 20
STOP = b"stop"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Packing:
    """A source on its way into a store, and how to get it there. `into` does it.

    minimum_size, maximum_size: of height and width; an image of another size is set aside as a broken one is.
    The pairs of a verification set are written next to the store, as `<store's name>.pairs.csv`.
    """

    source: ImageSource
    quarantine: QuarantineOptions = field(default_factory=QuarantineOptions)
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    minimum_size: int = 1
    maximum_size: int = MAXIMUM_SIDE

    def fingerprint(self) -> str:
        """What the store depends on."""
        return fingerprint("packing", PACKING_VERSION, self.source.fingerprint(), self.minimum_size, self.maximum_size)

    def into(self, path: Path) -> None:
        """Pack all sound images into a store at `path`; do nothing if the store there was made from the same.

        Raises SourceError if the source is unusable as a whole, QuarantineError if too many images are broken,
        BusyStoreError if another process is packing into `path`.
        """
        name = self.fingerprint()
        folder = path.with_name(f"{path.name}.parts")
        if is_made_from(path, name) and not folder.exists():
            return
        with packing_alone(path):
            self._pack(path, folder, name)

    def _pack(self, path: Path, folder: Path, name: str) -> None:
        if is_made_from(path, name):
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed at the very end
            return
        parts = Parts(folder, name, self.source.states_roles)
        losses = [Broken(loss.where, "", loss.reason, loss.count) for loss in self.source.losses()]
        for loss in losses:
            log.warning(loss.reason)
        self._write_parts(parts)
        if isinstance(self.source, VerificationFaces):
            with writing(path.with_suffix(".pairs.csv")) as partial:
                self.source.pairs().to_csv(partial, index=False)
        parts.join(path, losses)

    def _write_parts(self, parts: "Parts") -> None:
        total, done = len(self.source), parts.keep_sound()
        if done:
            log.info("%s images were packed before; going on with the others.", f"{done:,}")
        images = stream_tasks(_check, grouped(self.source.read(done), IMAGES_PER_TASK), self._workers(total - done))
        looked_at = (pair for group, results in images for pair in zip(group, results, strict=True))
        checked = ((image, self._of_accepted_size(image, found)) for image, found in looked_at)
        for part in _parted(track(checked, "Packing faces", total - done, "images"), done):
            parts.write(part)
            if len(parts.broken) > self.quarantine.maximum_share * total:
                listed = parts.folder / "quarantine.csv"
                as_table(parts.broken).to_csv(listed, index=False)
                raise QuarantineError(refusal(parts.broken, part.stop, total, self.quarantine, listed))

    def _of_accepted_size(self, image: SourceImage, found: "_Sound | Broken") -> "_Sound | Broken":
        if isinstance(found, Broken):
            return found
        if min(found.width, found.height) < self.minimum_size:
            limit = f"smaller than the {self.minimum_size} of faces.validation.minimum_size"
        elif max(found.width, found.height) > self.maximum_size:
            limit = f"larger than the {self.maximum_size} of faces.validation.maximum_size"
        else:
            return found
        return _broken(image, f"It is {found.width}×{found.height} pixels, {limit}. Rescale it, or change the limit.")

    def _workers(self, images: int) -> int:
        wanted = self.compute.workers
        if images <= FEW_IMAGES:
            return 1
        return available_cores() if wanted == "auto" else max(1, wanted)


@dataclass(frozen=True)
class _Sound:
    """What a worker found out about a sound image; `jpeg` is None if the source's bytes are kept."""

    sha256: str
    width: int
    height: int
    jpeg: bytes | None


def _check(images: list[SourceImage]) -> list[_Sound | Broken]:
    """Decode images; in a worker process."""
    return [_check_one(image) for image in images]


def _check_one(image: SourceImage) -> _Sound | Broken:
    if problem := image.problem or _problem_of_names(image):
        return _broken(image, problem)
    try:
        jpeg, width, height = read_as_jpeg(image.content, f"Image {image.image_id} of {image.source}")
    except ImageError as error:
        return _broken(image, str(error))
    return _Sound(sha256_of(image.content), width, height, None if jpeg is image.content else jpeg)


def _problem_of_names(image: SourceImage) -> str:
    if not image.identity:
        return "It has no identity, so nobody knows whose face it is. Name the person or remove it."
    if printable(image.image_id + image.identity) != image.image_id + image.identity:
        return "Its name or its person's is not text in UTF-8. Rename it."
    return ""


def _broken(image: SourceImage, problem: str) -> Broken:
    return Broken(printable(image.image_id), printable(image.identity), printable(problem))


@dataclass
class Part:
    """Images `start` to `stop` of the source: the sound ones as rows of the store, and the broken ones."""

    start: int
    stop: int
    faces: list[Face] = field(default_factory=list)
    roles: list[str | None] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    size: int = 0

    def add(self, image: SourceImage, found: "_Sound | Broken") -> None:
        """Take in the next image."""
        self.stop += 1
        if isinstance(found, Broken):
            self.broken.append(found)
            return
        jpeg = image.content if found.jpeg is None else found.jpeg
        named = (image.image_id, image.identity, image.source)
        self.faces.append(Face(*named, jpeg, found.width, found.height, found.sha256))
        self.roles.append(image.stated_role)
        self.size += len(jpeg)

    def is_full(self) -> bool:
        """Whether it has the rows of a batch, or so many bytes that memory asks for an end."""
        return self.stop - self.start == ROWS_PER_BATCH or self.size >= BYTES_PER_PART


def _parted(checked: Iterable[tuple[SourceImage, "_Sound | Broken"]], start: int) -> Iterator[Part]:
    part = Part(start, start)
    for image, found in checked:
        part.add(image, found)
        if part.is_full():
            yield part
            part = Part(part.stop, part.stop)
    if part.stop > part.start:
        yield part


class Parts:
    """The parts of a store that is being packed, in a folder of their own."""

    def __init__(self, folder: Path, name: str, states_roles: bool) -> None:
        self.folder, self._name = folder, name
        self._schema = SCHEMA.append(pa.field(STATED_ROLE, pa.string())) if states_roles else SCHEMA
        self._files: list[Path] = []
        self.broken: list[Broken] = []

    def keep_sound(self) -> int:
        """Find the parts of an earlier run of the same packing, remove all else; return where to go on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stop = 0
        while (part := self._load(self._path(len(self._files)))) is not None:
            self._files.append(self._path(len(self._files)))
            stop, broken = part
            self.broken += broken
        for file in self.folder.iterdir():
            if file not in self._files:
                file.unlink()
        return stop

    def write(self, part: Part) -> None:
        """Write the next part, whole or not at all."""
        columns = as_columns(part.faces)
        if self._schema is not SCHEMA:
            columns.append(pa.array(part.roles, pa.string()))
        stated = {b"fingerprint": self._name, STOP: str(part.stop), QUARANTINE: _as_json(part.broken)}
        schema = self._schema.with_metadata(stated)
        path = self._path(len(self._files))
        with writing(path) as partial, pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            write_checksummed(writer, pa.record_batch(columns, schema=schema))
        self._files.append(path)
        self.broken += part.broken

    def join(self, path: Path, losses: list[Broken]) -> None:
        """Make the store out of the parts and remove them."""
        metadata = {
            b"version": FORMAT_VERSION,
            b"fingerprint": self._name,
            QUARANTINE: _as_json(self.broken + losses),
        }
        schema = self._schema.with_metadata(metadata)
        whole = self.folder / "whole"  # in the folder that a killed run leaves behind and the next one clears
        with writing(whole) as partial, pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for file in track(self._files, "Joining parts", len(self._files), "parts"):
                with pa.memory_map(str(file)) as source:
                    batch = pa.ipc.open_file(source).get_batch(0)
                    if len(batch):
                        write_checksummed(writer, batch.replace_schema_metadata(metadata))
        whole.replace(path)
        shutil.rmtree(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.arrow"

    def _load(self, path: Path) -> tuple[int, list[Broken]] | None:
        """Where the part at `path` ends, and its broken images; None if it is not there, damaged or of others."""
        metadata = metadata_of(path) if path.exists() else {}
        if metadata.get(b"fingerprint") != self._name.encode():
            return None
        try:
            with pa.memory_map(str(path)) as file:
                reader = pa.ipc.open_file(file)
                batch = reader.get_batch(0)
                batch.validate(full=True)
                if stated_digest(reader, 0) != digest_of(batch):
                    return None
        except (pa.ArrowInvalid, OSError):
            return None
        return int(metadata[STOP]), [Broken(*row) for row in json.loads(metadata[QUARANTINE])]


def _as_json(broken: list[Broken]) -> str:
    return json.dumps([[image.image_id, image.identity, image.reason, image.count] for image in broken])
