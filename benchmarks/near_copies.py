"""How many pictures that were saved again are found as near copies, and how many pairs of different ones are.

LFW and CelebA (docs/external-data.md says where to get them). `DRAWN` pictures of each are saved again in every way of
`SAVED` and `CUT`, one way at a time, and looked for among all of the set. What is found among the pictures as they came
is printed too: those pairs are to be looked at.
"""

import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.external import external_data
from faceleak.faces.copies import find_copies
from faceleak.faces.images import read_as_jpeg
from faceleak.faces.store import Face, FaceStore, pack, sha256_of

SETS = ("lfw_aligned112", "celeba_150")
FACES = (external_data() or Path("data/external")) / "faces"
DRAWN = 1000  # pictures that are saved again
LEAST = 0.999  # of those that were only encoded or scaled again


def _encoded(image: Image.Image, quality: int) -> bytes:
    written = io.BytesIO()
    image.save(written, "JPEG", quality=quality)
    return written.getvalue()


def _scaled(image: Image.Image, factor: float) -> bytes:
    return _encoded(image.resize((round(image.width * factor), round(image.height * factor))), 90)


def _cropped(image: Image.Image, share: float) -> bytes:
    x, y = round(image.width * share), round(image.height * share)
    cut = image.crop((x, y, image.width - x, image.height - y))
    return _encoded(cut.resize(image.size, Image.Resampling.BICUBIC), 90)


SAVED: dict[str, Callable[[Image.Image], bytes]] = {
    **{f"JPEG {quality}": lambda image, quality=quality: _encoded(image, quality) for quality in (30, 50, 75, 95)},
    "half the size": lambda image: _scaled(image, 0.5),
    "one and a half times the size": lambda image: _scaled(image, 1.5),
}
CUT: dict[str, Callable[[Image.Image], bytes]] = {
    f"cropped by {share:.0%} a side": lambda image, share=share: _cropped(image, share) for share in (0.01, 0.02, 0.03)
}


@dataclass(frozen=True)
class Pictures:
    """The pictures of a folder, some of them twice: as they came, and saved again."""

    folder: Path
    again: Callable[[Image.Image], bytes] | None = None

    def fingerprint(self) -> str:
        return "pictures"

    def __iter__(self) -> Iterator[Face]:
        files = sorted(self.folder.glob("*/*.jpg"))
        for file in files:
            yield _face(f"{file.parent.name}/{file.name}", file.read_bytes())
        if self.again is not None:
            for number in np.random.default_rng(0).permutation(len(files))[:DRAWN]:
                file = files[number]
                yield _face(f"again/{file.parent.name}/{file.name}", self.again(Image.open(file).convert("RGB")))


def _face(image_id: str, content: bytes) -> Face:
    jpeg, width, height = read_as_jpeg(content, image_id)
    return Face(image_id, image_id.rsplit("/", 1)[0], "", jpeg, width, height, sha256_of(content))


def _copies(pictures: Pictures) -> tuple[int, pd.DataFrame]:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "faces.arrow"
        pack(pictures, store)
        faces = FaceStore(store)
        return len(faces), find_copies(faces, faces.manifest().assign(role="member", known=False))


def run() -> bool:
    """Print a table a set; False where too few of those that were encoded or scaled again are found."""
    results = [_measure(FACES / name) for name in SETS if (FACES / name).is_dir()]
    return all(results)


def _measure(folder: Path) -> bool:
    images, found = _copies(Pictures(folder))
    other_names = (found["first_identity"] != found["second_identity"]).sum()
    pairs = images * (images - 1) // 2
    print(f"{folder.name}: {len(found)} of {pairs:,} pairs as they came, {other_names} of them of two people")
    print(found[["first", "second", "likeness"]].to_string(index=False))
    shares = {name: _found(folder, again) for name, again in (SAVED | CUT).items()}
    for name, share in shares.items():
        print(f"  {name}: {share:.1%}")
    return min(shares[name] for name in SAVED) >= LEAST


def _found(folder: Path, again: Callable[[Image.Image], bytes]) -> float:
    images, found = _copies(Pictures(folder, again))
    drawn = images - len(list(folder.glob("*/*.jpg")))
    hits = (found["first"] == found["second"].str.removeprefix("again/")) & found["second"].str.startswith("again/")
    hits |= (found["second"] == found["first"].str.removeprefix("again/")) & found["first"].str.startswith("again/")
    return float(hits.sum()) / drawn


if __name__ == "__main__":
    run()
