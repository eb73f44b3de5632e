"""InsightFace's verification sets (`lfw.bin`, `cfp_fp.bin`, …): a pickle of (encoded images, is-same flags).

Unpickling runs whatever the file says, so nothing is unpickled here (`faces.pickles`): only the opcodes that lists,
tuples, bytes and flags are made of are followed, all others (those that name a class or call a function above all) are
refused. Of the images only their places are kept.
Format: deepinsight/insightface `recognition/arcface_torch/eval/verification.py`.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from faceleak.faces.images import MAXIMUM_BYTES
from faceleak.faces.pickles import GETS, LENGTH_BYTES, NUMBERS, PUTS, Grammar, NotAllowedError, Place, read_mapped
from faceleak.faces.sources.source import Loss, SourceError, SourceImage, open_bytes, read_image, require_file, state_of
from faceleak.work.tasks import fingerprint

SETS = Grammar(
    {
        *LENGTH_BYTES,
        *NUMBERS,
        *PUTS,
        *GETS,
        *("MEMOIZE", "NEWTRUE", "NEWFALSE"),
        *("MARK", "EMPTY_LIST", "EMPTY_TUPLE", "LIST", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "APPEND", "APPENDS"),
    }
)


@dataclass(frozen=True)
class VerificationFaces:
    """The images of a `.bin` file. Who is on them is not known, so each is a person of its own.

    Raises SourceError if the file is missing, damaged, or a pickle of anything else.
    """

    path: Path
    states_roles = False

    def fingerprint(self) -> str:
        return fingerprint("bin", state_of(self.path))

    def __len__(self) -> int:
        return len(self._content[0])

    def read(self, start: int) -> Iterator[SourceImage]:
        with open_bytes(self.path) as file:
            for number, place in enumerate(self._content[0][start:], start):
                name = image_name(number)
                image = SourceImage(name, name, self.path.stem)
                yield read_image(image, partial(file.at, place.offset, place.length), str(self.path))

    def losses(self) -> list[Loss]:
        return []

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        return ((name, name) for name in map(image_name, range(len(self))))

    def pairs(self) -> pd.DataFrame:
        """The pairs of the protocol: first and second (image ids), same (whether they show the same person)."""
        images, same = self._content
        names = [image_name(number) for number in range(len(images))]
        return pd.DataFrame({"first": names[::2], "second": names[1::2], "same": same})

    @cached_property
    def _content(self) -> tuple[list[Place], list[bool]]:
        require_file(self.path, "faces.bin.path", "a verification set such as lfw.bin")
        if self.path.stat().st_size == 0:
            raise SourceError(f"{self.path} is empty. Copy it again.")
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                found = read_mapped(content, SETS, longest=MAXIMUM_BYTES)
            except NotAllowedError as error:
                raise SourceError(
                    f"{self.path} holds more than images and flags ({error} of its pickle), which may run a program "
                    "when it is unpickled; faceleak does not. Use a verification set as InsightFace publishes it."
                ) from error
            except Exception as error:  # of a damaged file: whatever the walk stumbles on
                raise SourceError(f"{self.path} is damaged ({error}). Copy it again.") from error
        return _images_and_flags(found, self.path)


def image_name(number: int) -> str:
    """Name of an image: its place in the file."""
    return f"{number:06d}"


def _images_and_flags(found: Any, path: Path) -> tuple[list[Place], list[bool]]:
    shaped = (
        isinstance(found, list | tuple) and len(found) == 2 and all(isinstance(part, list | tuple) for part in found)
    )
    if not shaped or not all(isinstance(image, Place) for image in found[0]):
        raise SourceError(f"{path} is not a pair of (encoded images, is-same flags). Is it a verification set?")
    images, same = found
    if not images or len(images) != 2 * len(same) or not all(flag in (0, 1) for flag in same):
        raise SourceError(
            f"{path} has {len(images)} images and {len(same)} flags; a verification set has two images a flag."
        )
    return [replace(image, content=None) for image in images], [bool(flag) for flag in same]
