"""Several sources in one audit, told apart by name: people of one are never taken for people of another."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from faceleak.faces.options import StatedRole
from faceleak.faces.sources.source import ImageSource, Loss, SourceImage, names_of
from faceleak.work.tasks import fingerprint


@dataclass(frozen=True)
class NamedSource:
    """A source, its name, the name that its people go by, and the part that its images play."""

    name: str
    source: ImageSource
    people_of: str
    role: StatedRole | None = None


@dataclass(frozen=True)
class SeveralFaces:
    """All images of the first source, then those of the next.

    Image ids begin with the source's name, identities with that of the source whose people they are, and `source` is
    the name.
    """

    parts: tuple[NamedSource, ...]

    @property
    def states_roles(self) -> bool:
        return any(part.role is not None or part.source.states_roles for part in self.parts)

    def fingerprint(self) -> str:
        parts = [[part.name, part.people_of, part.role, part.source.fingerprint()] for part in self.parts]
        return fingerprint("several", parts)

    def __len__(self) -> int:
        return sum(len(part.source) for part in self.parts)

    def read(self, start: int) -> Iterator[SourceImage]:
        for part in self.parts:
            if start < len(part.source):
                yield from (_of_part(image, part) for image in part.source.read(start))
            start = max(0, start - len(part.source))

    def losses(self) -> list[Loss]:
        return [loss for part in self.parts for loss in part.source.losses()]

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        for part in self.parts:
            yield from (_prefixed(part, *names) for names in names_of(part.source))


def _of_part(image: SourceImage, part: NamedSource) -> SourceImage:
    image_id, identity = _prefixed(part, image.image_id, image.identity)
    return replace(
        image,
        image_id=image_id,
        identity=identity,
        source=part.name,
        stated_role=part.role or image.stated_role,
    )


def _prefixed(part: NamedSource, image_id: str, identity: str) -> tuple[str, str]:
    return f"{part.name}/{image_id}", identity and f"{part.people_of}/{identity}"
