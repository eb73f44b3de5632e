"""Faces of any source with a list of who was trained on beside them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from faceleak.common.text_tables import TextTableError, read_lines, slashed
from faceleak.common.words import counted, form
from faceleak.faces.options import StatedRole
from faceleak.faces.sources.source import ImageSource, Loss, SourceError, SourceImage, names_of, require_file
from faceleak.work.tasks import fingerprint

HEADINGS = {"identity", "image_id"}  # in the first line, as of a table with one column
EXAMPLES = 3


@dataclass(frozen=True)
class Listed:
    """What a list names: people, single images, and those of whom single images are named."""

    people: frozenset[str]
    images: frozenset[str]
    people_of_images: frozenset[str]

    def role(self, image_id: str, identity: str) -> StatedRole:
        """The part that an image plays by the list."""
        if identity in self.people or image_id in self.images:
            return "member"
        return "same_identity" if identity in self.people_of_images else "non_member"


@dataclass(frozen=True)
class MarkedFaces:
    """The images of `source`, each with the role that follows from the list `members`: a person or an image_id a line.

    Raises SourceError where the list is missing or empty, names what the source does not have, or the source states
    roles itself.
    """

    source: ImageSource
    members: Path
    states_roles = True

    def fingerprint(self) -> str:
        require_file(self.members, "faces.members", "a text file with a person or an image_id a line")
        return fingerprint("members", self.source.fingerprint(), self.members)

    def __len__(self) -> int:
        return len(self.source)

    def read(self, start: int) -> Iterator[SourceImage]:
        for image in self.source.read(start):
            yield replace(image, stated_role=self.listed.role(slashed(image.image_id), image.identity))

    def losses(self) -> list[Loss]:
        return self.source.losses()

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        return names_of(self.source)

    @cached_property
    def listed(self) -> Listed:
        """What the list names. Raises SourceError."""
        if self.source.states_roles:
            raise SourceError(
                f"The source of faces states roles itself, and {self.members} says who was trained on: leave out "
                "faces.members, or the roles."
            )
        lines = self._lines()
        people, images, people_of_images, example = set[str](), set[str](), set[str](), ("", "")
        for image_id, identity in self.names():
            example = example if example[0] else (image_id, identity)
            if identity in lines:
                people.add(identity)
            if slashed(image_id) in lines:
                images.add(slashed(image_id))
                people_of_images.add(identity)
        if unknown := sorted(lines - people - images):
            shown = ", ".join(map(repr, unknown[:EXAMPLES])) + ", …" * (len(unknown) > EXAMPLES)
            raise SourceError(
                f"{self.members}: {len(unknown):,} of {counted(len(lines), 'line')} "
                f"{form(len(unknown), 'is', 'are')} neither a person nor an image of the faces ({shown}). A person is "
                f"called {example[1]!r} here, an image {example[0]!r}. Correct the lines or remove them."
            )
        return Listed(frozenset(people), frozenset(images), frozenset(people_of_images))

    def _lines(self) -> set[str]:
        require_file(self.members, "faces.members", "a text file with a person or an image_id a line")
        try:
            lines = [slashed(line).strip('"') for line in read_lines(self.members)]
        except TextTableError as error:
            raise SourceError(str(error)) from error
        if lines and lines[0] in HEADINGS:
            lines = lines[1:]
        if not (named := {line for line in lines if line}):
            raise SourceError(f"{self.members} names nobody. Write a person or an image_id in each line.")
        return named
