"""A folder with one folder a person; also Labeled Faces in the Wild, as scikit-learn fetches it."""

import hashlib
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from urllib.error import URLError

from faceleak.faces.images import FORMATS, START_BYTES, format_of
from faceleak.faces.options import LfwDownloadOptions
from faceleak.faces.sources.source import (
    Loss,
    SourceError,
    SourceImage,
    name_of_system,
    printable,
    read_file,
    read_image,
    state_of,
)

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
LONGEST_SUFFIX = 8  # what is longer is part of a name
FEW_KINDS = 5

log = logging.getLogger(__name__)
FEW_PEOPLE = 500  # images a person: scikit-learn then decodes those of one person only, after it has fetched all
FOLDERS = {True: "lfw_funneled", False: "lfw"}


class Reason(Enum):
    """Why a file is not taken, and what to do about it."""

    FORMAT = "their format is not read", "Convert them to JPEG or PNG."
    LOOSE = "they lie beside the folders of the people", "Move each into the folder of its person."
    DEEPER = (
        "they lie deeper than <person>/<image>",
        "Move them up into the folder of their person; if the people are the folders below, set the path of the folder "
        "that holds these.",
    )
    NO_PICTURE = "they are no pictures of a format that is known", ""
    UNREADABLE = "they cannot be opened", "Check their permissions."
    EMPTY = "these people's folders hold no picture that is taken", "These people take no part."
    SYSTEM = "they are hidden or belong to the operating system", ""


@dataclass
class LeftOut:
    """What is not taken: counted by reason and kind, with one example a reason."""

    counts: dict[Reason, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    examples: dict[Reason, str] = field(default_factory=dict)

    def add(self, reason: Reason, kind: str, path: str) -> None:
        """Count a file or folder."""
        self.counts[reason][kind] += 1
        self.examples[reason] = min(path, self.examples.get(reason, path))

    def sentence(self, reason: Reason, folder: Path) -> str:
        """What is left out for one reason."""
        kinds = sorted(self.counts[reason].items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{kind} {count:,}" for kind, count in kinds[:FEW_KINDS]) + ", …" * (len(kinds) > FEW_KINDS)
        why, remedy = reason.value
        found = f"{self.counts[reason].total():,} ({shown}), such as {self.examples[reason]}"
        return printable(f"Not taken from {folder}, because {why}: {found}. {remedy}".rstrip())

    def losses(self, folder: Path) -> list[Loss]:
        """A loss for each reason; what belongs to the system is none."""
        return [
            Loss(printable(str(folder)), self.sentence(reason, folder), kinds.total())
            for reason, kinds in sorted(self.counts.items(), key=lambda item: list(Reason).index(item[0]))
            if reason is not Reason.SYSTEM
        ]


@dataclass(frozen=True)
class FaceFolder:
    """The pictures `<path>/<identity>/<image>`; other files below the folder are counted among the losses.

    A file is taken that is named like an image, and any other whose first bytes are those of a format that is read.
    The list of files is walked through each time and never held. Files that are not taken change nothing about the
    fingerprint. Raises SourceError if the folder is missing or has fewer than `minimum_people` people.
    """

    path: Path
    minimum_people: int = 2
    states_roles = False

    def fingerprint(self) -> str:
        return self._summary[0]

    def __len__(self) -> int:
        return self._summary[1]

    def read(self, start: int) -> Iterator[SourceImage]:
        self._summary  # noqa: B018  raises where there is nothing to read
        for identity, name in islice(self._pictures(LeftOut()), start, None):
            path = self.path / identity / name
            image = SourceImage(f"{identity}/{name}", identity, self.path.name)
            yield read_image(image, partial(read_file, path), str(path))

    def losses(self) -> list[Loss]:
        return self._summary[2]

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        self._summary  # noqa: B018  raises where there is nothing to read
        for identity, name in self._pictures(LeftOut()):
            yield f"{identity}/{name}", identity

    @cached_property
    def _summary(self) -> tuple[str, int, list[Loss]]:
        if not self.path.is_dir():
            raise SourceError(
                f"There is no folder {self.path}. Set faces.folder.path in parameters_faces.yml to a folder "
                "with one folder a person."
            )
        digest, images, people, last = hashlib.sha256(b"folder"), 0, 0, None
        left_out = LeftOut()
        for identity, name in self._pictures(left_out):
            state = state_of(self.path / identity / name)
            digest.update(repr((identity, state)).encode())
            images, people, last = images + 1, people + (identity != last), identity
        losses = left_out.losses(self.path)
        if people < self.minimum_people:
            raise SourceError(
                f"{self.path} holds images of {people} people; an audit compares people who were trained on "
                f"with people who were not, so it needs several. Expected: {self.path}/<person>/<image>.jpg"
                + "".join(f"\n- {loss.reason}" for loss in losses)
            )
        if Reason.SYSTEM in left_out.counts:
            log.info(left_out.sentence(Reason.SYSTEM, self.path))
        return digest.hexdigest()[:16], images, losses

    def _pictures(self, left_out: LeftOut) -> Iterator[tuple[str, str]]:
        """Person and name of each picture that is taken, in order; all else goes to `left_out`."""
        people = []
        for name, kind in self._entries("", left_out):
            if kind:
                left_out.add(Reason.LOOSE, kind, name)
            else:
                people.append(name)
        for person in sorted(people):
            names = []
            for name, kind in self._entries(person, left_out):
                if kind:
                    names.append(name)
                else:
                    self._add_deeper(f"{person}/{name}", left_out)
            if not names:
                left_out.add(Reason.EMPTY, "folders", person)
            for name in sorted(names):
                yield person, name

    def _add_deeper(self, place: str, left_out: LeftOut) -> None:
        places = [place]
        while places:
            place = places.pop()
            for name, kind in self._entries(place, left_out):
                if kind:
                    left_out.add(Reason.DEEPER, kind, f"{place}/{name}")
                else:
                    places.append(f"{place}/{name}")

    def _entries(self, place: str, left_out: LeftOut) -> Iterator[tuple[str, str]]:
        """Names of the folders (no kind) and pictures (of a kind) in the folder `place`; all else to `left_out`.

        Only people's own folders may be links to folders, so no link leads around in circles.
        """
        try:
            with os.scandir(self.path / place) as entries:
                for entry in entries:
                    path = f"{place}/{entry.name}" if place else entry.name
                    if system := name_of_system(entry.name):
                        left_out.add(Reason.SYSTEM, system, path)
                    elif entry.is_dir(follow_symlinks=False) or (not place and _is_folder(entry)):
                        yield entry.name, ""
                    elif _is_folder(entry):
                        left_out.add(Reason.DEEPER, "links to folders", path)
                    else:
                        kind, reason = _look_at(entry)
                        if reason:
                            left_out.add(reason, kind, path)
                        else:
                            yield entry.name, kind
        except OSError as error:
            left_out.add(Reason.UNREADABLE, error.strerror or "folders", place or str(self.path))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in circles
        return False


def _look_at(entry: "os.DirEntry[str]") -> tuple[str, Reason | None]:
    """The kind of a file, and why it is not taken, if it is not: by its name, or else by its first bytes."""
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return suffix, None  # whatever it holds: where that is no picture, it is a broken image
    kind = suffix if 0 < len(suffix) <= LONGEST_SUFFIX else "no suffix"
    try:
        if not entry.is_file():
            return "no files", Reason.NO_PICTURE
        with Path(entry.path).open("rb") as file:
            found = format_of(file.read(START_BYTES))
    except OSError as error:
        return error.strerror or kind, Reason.UNREADABLE
    if found == "TIFF" and suffix:
        found = "camera raw"  # its pixels as TIFF are those of a thumbnail
    if found in FORMATS:
        return kind, None
    return (found, Reason.FORMAT) if found else (kind, Reason.NO_PICTURE)


def lfw_faces(options: LfwDownloadOptions) -> FaceFolder:
    """Fetch LFW (about 200 MB) into `options.folder`, unless it is there, as a folder with one folder a person.

    The only source that uses the network. Raises SourceError if it cannot be reached.
    """
    from sklearn.datasets import fetch_lfw_people

    home = Path(options.folder)
    try:
        with suppress(ValueError):  # nobody has so many images, which is of no concern
            fetch_lfw_people(data_home=home, funneled=options.funneled, min_faces_per_person=FEW_PEOPLE, resize=0.1)
    except (URLError, OSError) as error:
        raise SourceError(
            f"LFW could not be fetched ({error}). It needs a network connection. On a machine without one, copy a "
            f"folder with one folder a person to it and use faces.source: folder, or copy {home}/lfw_home from a "
            "machine that has fetched it."
        ) from error
    return FaceFolder(home / "lfw_home" / FOLDERS[options.funneled])
