"""Faces for the plan: a few to measure on, and the stated number if there are none yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faceleak.common.errors import kedro_run
from faceleak.faces.canvas import Canvas
from faceleak.faces.demo import DemoFaces
from faceleak.faces.images import encode_jpeg
from faceleak.faces.options import FacesOptions
from faceleak.faces.store import Face, FaceStore, pack, sha256_of
from faceleak.planning.options import PlanError, PlanOptions
from faceleak.work.compute import ComputeOptions

IMAGES, PEOPLE = 320, 16
SMALLEST_BLOT = 14  # pixels, so that a JPEG of it is about as large as a face's
BESIDES_THE_JPEG = 150  # bytes of an image in a store


@dataclass(frozen=True)
class Sample:
    """Some hundred images (image_id, identity, sha256) of a store, a cache that is thrown away, and what is read.

    patience: seconds that a measurement may take, about; of what is slower, less is done.
    """

    store: FaceStore
    images: pd.DataFrame
    compute: ComputeOptions
    signals: list[str]
    patience: float = 5.0

    def jpegs(self) -> list[bytes]:
        """As many images, as they are stored."""
        return [self.store.jpeg(row) for row in range(min(len(self.store), len(self.images)))]


@dataclass(frozen=True)
class Blots:
    """Smooth colors in place of faces, `PEOPLE` people with as many images each."""

    shape: tuple[int, int]

    def fingerprint(self) -> str:
        return f"blots {self.shape}"

    def __iter__(self) -> Iterator[Face]:
        from PIL import Image

        random, (height, width) = np.random.default_rng(0), self.shape
        for number in range(IMAGES):
            blot = random.integers(0, 256, (SMALLEST_BLOT, SMALLEST_BLOT, 3), dtype=np.uint8)
            jpeg = encode_jpeg(np.asarray(Image.fromarray(blot).resize((width, height))))
            person = f"blot_{number % PEOPLE}"
            yield Face(f"{person}/{number}", person, "calibration", jpeg, width, height, sha256_of(jpeg))


def sample_faces(
    store: FaceStore | None, faces: FacesOptions, canvas: Canvas, folder: Path
) -> tuple[FaceStore, pd.DataFrame]:
    """A store, and image_id, identity and sha256 of some hundred of its images: blots, if nothing else is there."""
    if store is None:
        people = min(PEOPLE, faces.demo.people) if faces.demo is not None else 0
        few = {"people": people, "images_per_person": -(-IMAGES // max(1, people))}
        demo = faces.demo.model_copy(update=few) if faces.source == "demo" and faces.demo is not None else None
        pack(
            Blots(canvas.shape) if demo is None else DemoFaces(demo, ComputeOptions(workers=1)), folder / "sample.arrow"
        )
        store = FaceStore(folder / "sample.arrow")
    images = store.manifest()[["image_id", "identity", "sha256"]]
    return store, images.sample(min(IMAGES, len(images)), random_state=0).reset_index(drop=True)


@dataclass(frozen=True)
class StatedFaces:
    """In the place of a store that is not packed yet: as many people and images, numbers for names.

    image_bytes: what an image takes on disk.
    """

    people: int
    images: int
    image_bytes: float

    @classmethod
    def of(cls, faces: FacesOptions, plan: PlanOptions, sample: Sample) -> "StatedFaces":
        """As many as the plan or the source states. Raises PlanError if neither does."""
        image_bytes = float(np.mean(list(map(len, sample.jpegs())))) + BESIDES_THE_JPEG
        if plan.people is not None and plan.images is not None:
            return cls(plan.people, plan.images, image_bytes)
        if faces.source == "demo" and faces.demo is not None:
            return cls(faces.demo.people, faces.demo.people * faces.demo.images_per_person, image_bytes)
        raise PlanError(
            f"How many people and images the source `{faces.source}` has is known once it is packed. Pack it "
            f"({kedro_run('faces')}), or state them in plan.people and plan.images."
        )

    def __len__(self) -> int:
        return self.images

    def manifest(self) -> pd.DataFrame:
        """One row an image; all people have equally many, or one more."""
        number = np.arange(self.images)
        return pd.DataFrame({"image_id": number, "identity": number * self.people // self.images, "sha256": number})

    def as_stored(self, images: pd.DataFrame) -> pd.DataFrame:
        """One row, since nothing that is made of faces which are not there can be found."""
        return images.head(1)
