"""Labeled Faces in the Wild, fetched by scikit-learn. The only source that uses the network."""

from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

from faceleak.faces.options import LfwDownloadOptions
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.sources.source import SourceError

FEW_PEOPLE = 500  # images a person: scikit-learn then decodes those of one person only, after it has fetched all
FOLDERS = {True: "lfw_funneled", False: "lfw"}


def lfw_faces(options: LfwDownloadOptions) -> FaceFolder:
    """Fetch LFW (about 200 MB) into `options.folder`, unless it is there, as a folder with one folder a person.

    Raises SourceError if the network cannot be reached.
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
