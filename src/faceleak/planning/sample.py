"""A few faces to calibrate with: of the store that is there, drawn as the demo's, or blots of the networks' size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faceleak.faces.canvas import Canvas
from faceleak.faces.demo import draw_person
from faceleak.faces.images import encode_jpeg
from faceleak.faces.options import DemoOptions, FacesOptions
from faceleak.faces.store import Face, FaceStore, pack, sha256_of

IMAGES, PEOPLE = 320, 16
SMALLEST_BLOT = 14  # pixels, so that a JPEG of it is about as large as a face's


@dataclass(frozen=True)
class Blots:
    """Smooth colours in place of faces, `PEOPLE` people with as many images each."""

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


@dataclass(frozen=True)
class SampleOfDemo:
    """The demo's first people."""

    options: DemoOptions

    def fingerprint(self) -> str:
        return "sample of the demo"

    def __iter__(self) -> Iterator[Face]:
        for person in range(PEOPLE):
            yield from draw_person(self.options, person)


def sample_faces(
    store: FaceStore | None, faces: FacesOptions, canvas: Canvas, folder: Path
) -> tuple[FaceStore, pd.DataFrame]:
    """A store, and image_id, identity and sha256 of some hundred of its images."""
    if store is not None:
        images = store.manifest()[["image_id", "identity", "sha256"]]
        return store, images.sample(min(IMAGES, len(images)), random_state=0).reset_index(drop=True)
    path = folder / "sample.arrow"
    if faces.source == "demo" and faces.demo is not None:
        people = min(PEOPLE, faces.demo.people)
        enough = faces.demo.model_copy(update={"images_per_person": -(-IMAGES // people)})
        pack(SampleOfDemo(enough), path)
    else:
        pack(Blots(canvas.shape), path)
    drawn = FaceStore(path)
    images = drawn.manifest()[["image_id", "identity", "sha256"]]
    return drawn, images.sample(frac=1, random_state=0, ignore_index=True)  # any few of them show several people


def drawing_sample(options: DemoOptions, people: range) -> list[Face]:
    """Draw so many of the demo's people."""
    return [face for person in people for face in draw_person(options, person)]
