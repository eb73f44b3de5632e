"""A CSV list of images: path, identity and, if the user states them, role."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import get_args

from faceleak.common.text_tables import Cells, TextTableError, read_table, slashed
from faceleak.faces.options import StatedRole
from faceleak.faces.sources.source import (
    Loss,
    SourceError,
    SourceImage,
    read_file,
    read_image,
    require_file,
    state_of,
)

COLUMNS = ("path", "identity")


@dataclass(frozen=True)
class ListedFaces:
    """The images that a text table lists under a header `path,identity` or `path,identity,role`.

    Paths are relative to the list, with slashes or backslashes. With a column `role`, every line states one. The list
    is walked through each time and never held. Raises SourceError if the list is missing, is no such list, or a role
    is unknown.
    """

    path: Path

    @property
    def states_roles(self) -> bool:
        return self._summary[2]

    def fingerprint(self) -> str:
        return self._summary[0]

    def __len__(self) -> int:
        return self._summary[1]

    def read(self, start: int) -> Iterator[SourceImage]:
        for row, cells in islice(self._rows(), start, None):
            name, file = self._located(cells["path"])
            named = (_image_id(name, row), cells["identity"], self.path.stem)
            image = SourceImage(*named, stated_role=cells.get("role"))
            yield read_image(image, partial(read_file, file), str(file))

    def losses(self) -> list[Loss]:
        return []

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        for row, cells in self._rows():
            yield _image_id(self._located(cells["path"])[0], row), cells["identity"]

    @cached_property
    def _summary(self) -> tuple[str, int, bool]:
        require_file(self.path, "faces.csv.path", "a CSV file with the columns path,identity")
        digest, count, states_roles = hashlib.sha256(b"csv"), 0, False
        for row, cells in self._rows():
            count, states_roles = count + 1, "role" in cells
            self._check_role(cells, row)
            name, file = self._located(cells["path"])
            if not _is_there(file) and PureWindowsPath(name).is_absolute():
                raise SourceError(
                    f"{self.path}, row {row}, column path: {cells['path']!r} is a place on a Windows computer that is "
                    "not to be found here. Give paths relative to the list."
                )
            digest.update(repr((cells, state_of(file))).encode())
        if count == 0:
            raise SourceError(f"{self.path} lists no image.")
        return digest.hexdigest()[:16], count, states_roles

    def _check_role(self, cells: Cells, row: int) -> None:
        role = cells.get("role")
        if role is not None and role not in get_args(StatedRole):
            raise SourceError(
                f"{self.path}, row {row}, column role: {role!r} is no role. Allowed: {', '.join(get_args(StatedRole))}."
            )

    def _located(self, name: str) -> tuple[str, Path]:
        """An image's name and file; a backslash is part of a name only if there is such a file."""
        file = self.path.parent / name
        if "\\" not in name or _is_there(file):
            return name, file
        return slashed(name), self.path.parent / slashed(name)

    def _rows(self) -> Iterator[tuple[int, Cells]]:
        try:
            yield from read_table(self.path, *COLUMNS)
        except TextTableError as error:
            raise SourceError(str(error)) from error


def _image_id(name: str, row: int) -> str:
    return name or f"row {row}"


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except ValueError:  # a name that no file can have
        return False
