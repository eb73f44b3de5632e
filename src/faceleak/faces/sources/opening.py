"""From configuration to source."""

from collections.abc import Callable

from faceleak.faces.options import FacesOptions, SourceOptions
from faceleak.faces.sources.csv_list import ListedFaces
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.sources.lfw_download import lfw_faces
from faceleak.faces.sources.parquet import ParquetFaces
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.faces.sources.several import NamedSource, SeveralFaces
from faceleak.faces.sources.source import ImageSource
from faceleak.faces.sources.verification_bin import VerificationFaces

OPEN: dict[str, Callable[..., ImageSource]] = {
    "folder": lambda options, few: FaceFolder(options.path, few),
    "recordio": lambda options, _: RecordFaces(options.path),
    "bin": lambda options, _: VerificationFaces(options.path),
    "parquet": lambda options, _: ParquetFaces(options),
    "csv": lambda options, _: ListedFaces(options.path),
    "lfw_download": lambda options, _: lfw_faces(options),
}


def open_images(options: FacesOptions) -> ImageSource:
    """Open what `faces.source` names, `demo` apart. Raises SourceError where it is missing."""
    if options.source != "several":
        return _open_one(options, minimum_people=2)
    return SeveralFaces(
        tuple(
            NamedSource(name, _open_one(part, minimum_people=1), part.people_of or name, part.role)
            for name, part in options.several.items()
        )
    )


def _open_one(options: SourceOptions | FacesOptions, minimum_people: int) -> ImageSource:
    return OPEN[options.source](getattr(options, options.source), minimum_people)
