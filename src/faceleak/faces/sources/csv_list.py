"""A CSV list of images: path, identity and, where the user knows them, role."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import get_args

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
    """The images that a CSV file lists under a header `path,identity` or `path,identity,role`.

    Paths are relative to the list. With a column `role`, every line states one. The list is walked through each time
    and never held. Raises SourceError where the list is missing, is no such list, or a role is unknown.
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
        for number, line in enumerate(islice(self._lines(), start, None), start + 1):
            name, identity, role = line.get("path") or "", line.get("identity") or "", line.get("role")
            image = SourceImage(name or f"image {number}", identity, self.path.stem, stated_role=role)
            file = self.path.parent / name
            yield read_image(image, partial(read_file, file), str(file))

    def losses(self) -> list[Loss]:
        return []

    @cached_property
    def _summary(self) -> tuple[str, int, bool]:
        require_file(self.path, "faces.csv.path", "a CSV file with the columns path,identity")
        digest, count, states_roles = hashlib.sha256(b"csv"), 0, False
        for count, line in enumerate(self._lines(), 1):
            if "role" in line:
                states_roles = True
                self._check_role(line["role"], count)
            state = state_of(self.path.parent / (line.get("path") or ""))
            digest.update(repr((line, state)).encode())
        if count == 0:
            raise SourceError(f"{self.path} lists no image.")
        return digest.hexdigest()[:16], count, states_roles

    def _check_role(self, role: str | None, line: int) -> None:
        if role not in get_args(StatedRole):
            raise SourceError(
                f"Image {line} of {self.path} has the role {role!r}. Allowed: {', '.join(get_args(StatedRole))}."
            )

    def _lines(self) -> Iterator[dict[str, str | None]]:
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                lines = csv.DictReader(file, strict=True)
                names = lines.fieldnames or []
                if missing := [name for name in COLUMNS if name not in names]:
                    raise SourceError(
                        f"{self.path} has no column {' and no '.join(missing)}; its first line is "
                        f"{','.join(names)[:80]!r}. Expected: path,identity or path,identity,role."
                    )
                yield from lines
        except (csv.Error, UnicodeDecodeError) as error:
            raise SourceError(f"{self.path} is not a CSV file in UTF-8 ({error}). Save it as one.") from error
