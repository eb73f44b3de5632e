"""A RecordIO of any size, of blots of color: `python -m benchmarks.synthetic_records train.rec <images> <pixels>`."""

import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from faceleak.faces.images import encode_jpeg
from faceleak.faces.sources.recordio import HEADER, MAGIC, PREFIX

IMAGES_PER_PERSON = 68  # as in MS1M
DIFFERENT_IMAGES = 1000


def write_records(path: Path, images: int, size: int) -> None:
    """Write `images` JPEGs of blots, `size` pixels a side, to `path` and the index beside it."""
    random = np.random.default_rng(0)
    blots = random.integers(0, 256, (DIFFERENT_IMAGES, 14, 14, 3), dtype=np.uint8)  # smooth, as large as a face's JPEG
    jpegs = [encode_jpeg(np.asarray(Image.fromarray(pixels).resize((size, size)))) for pixels in blots]
    people = -(-images // IMAGES_PER_PERSON)
    with path.open("wb") as records, path.with_suffix(".idx").open("w") as index:
        head = HEADER.pack(2, 0.0, 0, 0) + struct.pack("<2f", images + 1, images + 1 + people)
        for key in range(images + 1):
            jpeg = jpegs[key % DIFFERENT_IMAGES] + struct.pack(
                "<I", key
            )  # bytes after a JPEG's end change its hash only
            payload = HEADER.pack(0, key // IMAGES_PER_PERSON, key, 0) + jpeg if key else head
            index.write(f"{key}\t{records.tell()}\n")
            records.write(PREFIX.pack(MAGIC, len(payload)) + payload + bytes(-len(payload) % 4))


if __name__ == "__main__":
    write_records(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
