"""The source of faces that the configuration describes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from faceleak.common.named import PAGE, PartError, blaming, lacking, parts_of
from faceleak.faces.options import FacesOptions, OneSource, sources
from faceleak.faces.sources.csv_list import ListedFaces
from faceleak.faces.sources.folder import FaceFolder, lfw_faces
from faceleak.faces.sources.marked import MarkedFaces
from faceleak.faces.sources.parquet import ParquetFaces
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.faces.sources.several import NamedSource, SeveralFaces
from faceleak.faces.sources.source import ImageSource, Loss, SourceError, SourceImage, names_of
from faceleak.faces.sources.verification_bin import VerificationFaces
from faceleak.work.tasks import code_version, fingerprint

OPEN: dict[str, Callable[..., ImageSource]] = {
    "folder": lambda options, few: FaceFolder(options.path, few),
    "recordio": lambda options, _: RecordFaces(options.path),
    "bin": lambda options, _: VerificationFaces(options.path),
    "parquet": lambda options, _: ParquetFaces(options),
    "csv": lambda options, _: ListedFaces(options.path),
    "lfw_download": lambda options, _: lfw_faces(options),
}


@dataclass(frozen=True)
class OwnSource:
    """A source of the user's own: packed anew if its code has changed.

    name: its import path. code: a hash of its code and its settings.
    """

    source: ImageSource
    name: str
    code: str

    @property
    def states_roles(self) -> bool:
        return self.source.states_roles

    def fingerprint(self) -> str:
        with self._blamed("fingerprint"):
            return fingerprint(self.code, self.source.fingerprint())

    def __len__(self) -> int:
        with self._blamed("__len__"):
            return len(self.source)

    def read(self, start: int) -> Iterator[SourceImage]:
        with self._blamed("read"):
            for image in self.source.read(start):
                yield self._checked(image)

    def losses(self) -> list[Loss]:
        with self._blamed("losses"):
            return self.source.losses()

    def _blamed(self, function: str) -> AbstractContextManager[None]:
        return blaming(f"`{function}` of {self.name}", sources.module(self.name))

    def _checked(self, image: object) -> SourceImage:
        """Return what was read. Raises PartError unless it is an image, and its content bytes."""
        if not isinstance(image, SourceImage):
            raise PartError(
                f"`read` of {self.name} yielded a {type(image).__name__}; it yields SourceImage(image_id, identity, "
                "source, content)."
            )
        content: object = image.content
        if not isinstance(content, bytes):
            raise PartError(
                f"image {image.image_id!r} of {self.name}: content is a {type(content).__name__}, expected the "
                "encoded bytes (path.read_bytes())."
            )
        return image

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        return names_of(self.source)


def open_images(options: FacesOptions) -> ImageSource:
    """Open what `faces.source` names, `demo` apart, with the roles that are stated. Raises SourceError."""
    opened = _open_all(options)
    return opened if options.members is None else MarkedFaces(opened, options.members)


def _open_all(options: FacesOptions) -> ImageSource:
    if options.source != "several":
        return open_one(options, minimum_people=2)
    return SeveralFaces(
        tuple(
            NamedSource(name, open_one(part, minimum_people=1), part.people_of or name, part.role)
            for name, part in options.several.items()
        )
    )


def open_one(options: OneSource, minimum_people: int) -> ImageSource:
    """Open one source by the block that describes it. Raises SourceError."""
    if not options.is_own():
        return OPEN[options.source](options.described(), minimum_people)
    settings = options.described()
    source = sources.get(options.source).open_source(settings)
    if missing := lacking(source, ImageSource):
        raise SourceError(
            f"What `open_source` of {options.source} returns lacks {', '.join(missing)}. A source of faces has "
            f"{', '.join(parts_of(ImageSource).values())}: see {PAGE}."
        )
    return OwnSource(
        source, options.source, fingerprint(options.source, settings, code_version(sources.module(options.source)))
    )
