"""InsightFace's verification sets (`lfw.bin`, `cfp_fp.bin`, …): a pickle of (encoded images, is-same flags).

Unpickling runs whatever the file says, so nothing is unpickled here. The file is walked through opcode by opcode with
`pickletools`; only the opcodes that lists, tuples, bytes and flags are made of are followed, all others (those that
name a class or call a function above all) are refused. Of the images only their places are kept.
Format: deepinsight/insightface `recognition/arcface_torch/eval/verification.py`.
"""

import mmap
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any, cast

import pandas as pd

from faceleak.faces.images import MAXIMUM_BYTES
from faceleak.faces.sources.indexed import open_bytes
from faceleak.faces.sources.source import Loss, SourceError, SourceImage, read_image, require_file, state_of
from faceleak.pieces import fingerprint

LENGTH_BYTES = {  # opcodes that carry bytes, and how many bytes tell their length
    **{"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8},
    **{"SHORT_BINSTRING": 1, "BINSTRING": 4},  # Python 2
}
FLAGS = {"NEWTRUE": True, "NEWFALSE": False}
NUMBERS = frozenset({"BININT", "BININT1", "BININT2"})
IGNORED = frozenset({"PROTO", "FRAME"})
PUTS, GETS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"}), frozenset({"GET", "BINGET", "LONG_BINGET"})
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MAXIMUM_LINE = 64
MARK = object()


@dataclass(frozen=True)
class Place:
    """Where the bytes of an image lie in the file."""

    offset: int
    length: int


@dataclass(frozen=True)
class VerificationFaces:
    """The images of a `.bin` file. Who is on them is not known, so each is a person of its own.

    Raises SourceError where the file is missing, damaged, or a pickle of anything else.
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
            found = _walk(cast("IO[bytes]", _Capped(content)), self.path)
        return _images_and_flags(found, self.path)


def image_name(number: int) -> str:
    """Name of an image: its place in the file."""
    return f"{number:06d}"


class _Capped:
    """A file for pickletools that never hands out more than an image at once, whatever length is claimed."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content

    def tell(self) -> int:
        return self._content.tell()

    def read(self, length: int = -1) -> bytes:
        if length > MAXIMUM_BYTES:
            raise ValueError(f"{length:,} bytes claimed for one image")
        return self._content.read(length)

    def readline(self, _: int | None = -1) -> bytes:
        place = self._content.tell()
        return self._content.read(max(0, self._content.find(b"\n", place, place + MAXIMUM_LINE) + 1 - place))


def _walk(content: IO[bytes], path: Path) -> Any:
    machine = _Machine(path)
    try:
        for opcode, argument, offset in pickletools.genops(content):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument, offset or 0)
    except SourceError:
        raise
    except Exception as error:  # of a damaged file: pickletools and an empty stack raise whatever they stumble on
        raise SourceError(f"{path} is damaged ({error}). Copy it again.") from error
    raise SourceError(f"{path} ends too early. Copy it again.")


class _Machine:
    """The stack and the memory of a pickle, for the few opcodes that are followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any, offset: int) -> None:
        """Follow one opcode. Raises SourceError where it is none of those that a verification set needs."""
        if name in IGNORED:
            return
        if name in LENGTH_BYTES:
            self.stack.append(Place(offset + 1 + LENGTH_BYTES[name], len(argument)))
        elif name in FLAGS or name in NUMBERS:
            self.stack.append(FLAGS.get(name, argument))
        elif name in PUTS or name == "MEMOIZE":
            self.memory[len(self.memory) if name == "MEMOIZE" else argument] = self.stack[-1]
        elif name in GETS:
            self.stack.append(self.memory[argument])
        else:
            self._build(name)

    def _build(self, name: str) -> None:
        if name == "MARK":
            self.stack.append(MARK)
        elif name in ("EMPTY_LIST", "EMPTY_TUPLE"):
            self.stack.append([])
        elif name in ("LIST", "TUPLE"):
            self.stack.append(self._since_mark())
        elif name in TUPLES:
            count = TUPLES[name]
            self.stack[-count:] = [self.stack[-count:]]
        elif name == "APPEND":
            last = self.stack.pop()
            self.stack[-1].append(last)
        elif name == "APPENDS":
            items = self._since_mark()
            self.stack[-1].extend(items)
        else:
            raise SourceError(
                f"{self.path} holds more than images and flags (pickle opcode {name}), which may run a program when "
                "it is unpickled; faceleak does not. Use a verification set as InsightFace publishes it."
            )

    def _since_mark(self) -> list[Any]:
        items = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]


def _images_and_flags(found: Any, path: Path) -> tuple[list[Place], list[bool]]:
    shaped = isinstance(found, list) and len(found) == 2 and all(isinstance(part, list) for part in found)
    if not shaped or not all(isinstance(image, Place) for image in found[0]):
        raise SourceError(f"{path} is not a pair of (encoded images, is-same flags). Is it a verification set?")
    images, same = found
    if not images or len(images) != 2 * len(same) or not all(flag in (0, 1) for flag in same):
        raise SourceError(
            f"{path} has {len(images)} images and {len(same)} flags; a verification set has two images a flag."
        )
    return images, [bool(flag) for flag in same]
