import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceleak.faces.images import encode_jpeg
from faceleak.faces.packing import Packing
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.store import FaceStore, sha256_of


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two people with two JPEGs of 48×40 each, as `people/<identity>/<number>.jpg`."""
    for identity, level in (("anna", 40), ("bert", 90)):
        (tmp_path / "people" / identity).mkdir(parents=True)
        for number in range(2):
            content = encode_jpeg(np.full((40, 48, 3), level + number, np.uint8))
            (tmp_path / "people" / identity / f"{number}.jpg").write_bytes(content)
    return tmp_path / "people"


def test_every_image_of_every_person_is_packed(folder, tmp_path):
    (folder / "anna" / "notes.txt").write_text("not an image and not named like one")
    (folder / "README.md").write_text("nor this")
    (folder / "bert" / "grey.PNG").write_bytes(b"")
    Image.new("L", (30, 20), 200).save(folder / "bert" / "grey.PNG", "PNG")
    Packing(FaceFolder(folder)).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    manifest = store.manifest()
    assert manifest["image_id"].tolist() == ["anna/0.jpg", "anna/1.jpg", "bert/0.jpg", "bert/1.jpg", "bert/grey.PNG"]
    assert manifest["identity"].tolist() == ["anna", "anna", "bert", "bert", "bert"]
    assert manifest["width"].tolist() == [48, 48, 48, 48, 30]
    assert manifest["height"].tolist() == [40, 40, 40, 40, 20]
    assert manifest["source"].unique().tolist() == ["people"]
    for row, image_id in enumerate(manifest["image_id"]):
        assert manifest["sha256"][row] == sha256_of((folder / image_id).read_bytes())  # of the source, not of the JPEG
    assert store.jpeg(0) == (folder / "anna/0.jpg").read_bytes()
    assert (store.pixels(4) == 200).all()


def test_length_and_fingerprint_follow_the_files(folder):
    source = FaceFolder(folder)
    before = source.fingerprint()
    assert len(source) == len(list(source.read(0))) == 4
    assert FaceFolder(folder).fingerprint() == before
    (folder / "bert" / "1.jpg").unlink()
    assert len(FaceFolder(folder)) == 3
    assert FaceFolder(folder).fingerprint() != before


def test_a_file_with_new_content_changes_the_fingerprint(folder):
    before = FaceFolder(folder).fingerprint()
    (folder / "anna" / "0.jpg").write_bytes(encode_jpeg(np.zeros((9, 9, 3), np.uint8)))
    assert FaceFolder(folder).fingerprint() != before


def giant_png(path: Path) -> None:
    """Write a sound PNG of 60,000×60,000 white pixels, which unpacks to 450 MB: a few kB of a zlib stream by rows."""
    pack_rows = zlib.compressobj(1)
    blank = bytes(1 + 60_000 // 8) * 1000
    image = b"".join([*(pack_rows.compress(blank) for _ in range(60)), pack_rows.flush()])
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", image), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_a_file_that_may_not_be_read_is_named(folder, tmp_path, monkeypatch):
    def refuse(path: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    problems = [image.problem for image in FaceFolder(folder).read(0)]
    assert len(problems) == 4
    assert "anna/0.jpg' could not be read (Permission denied)" in problems[0]


@pytest.mark.shared_data
def test_real_grey_faces_are_packed(shared, tmp_path):
    Packing(FaceFolder(shared / "faces" / "orl_att")).into(tmp_path / "orl.arrow")
    store = FaceStore(tmp_path / "orl.arrow")
    manifest = store.manifest()
    assert manifest.groupby("identity").size().tolist() == [10] * 40
    assert set(zip(manifest["width"], manifest["height"], strict=True)) == {(92, 112)}
    assert not manifest["sha256"].duplicated().any()
    assert all(store.pixels(i).std() > 10 for i in range(0, 400, 40))
