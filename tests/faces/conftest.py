"""Faces and stores made of plain colors, for tests that need no person on them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from faceleak.faces.images import encode_jpeg
from faceleak.faces.store import Face, FaceStore, pack, sha256_of


@dataclass
class ListedFaces:
    """A source that yields the given faces; an exception among them is raised in its turn."""

    faces: list[Face | Exception]
    name: str = "listed"
    reads: int = field(default=0, init=False)

    def fingerprint(self) -> str:
        return self.name

    def __iter__(self) -> Iterator[Face]:
        self.reads += 1
        for face in self.faces:
            if isinstance(face, Exception):
                raise face
            yield face


def plain_face(image_id: str, color: int = 0, width: int = 8, height: int = 8) -> Face:
    jpeg = encode_jpeg(np.full((height, width, 3), color, np.uint8))
    return Face(image_id, image_id.split("/", maxsplit=1)[0], "test", jpeg, width, height, sha256_of(image_id.encode()))


@pytest.fixture
def face() -> Callable[..., Face]:
    """Make a face of one gray level: face(image_id, color, width, height); its person is the id's first part."""
    return plain_face


@pytest.fixture
def listed() -> type[ListedFaces]:
    """Make a source from a list: listed(faces, name)."""
    return ListedFaces


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[list[Face]], FaceStore]:
    """Pack faces into a store and open it: packed(faces)."""

    def make(faces: list[Face]) -> FaceStore:
        path = tmp_path / "faces.arrow"
        pack(ListedFaces(list(faces)), path)
        return FaceStore(path)

    return make
