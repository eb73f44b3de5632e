import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faceleak.faces import images, packing
from faceleak.faces.images import MAXIMUM_BYTES, encode_jpeg
from faceleak.faces.options import QuarantineOptions
from faceleak.faces.packing import Packing
from faceleak.faces.quarantine import QuarantineError
from faceleak.faces.sources.csv_list import ListedFaces
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.sources.recordio import HEADER, MAGIC, PREFIX, RecordFaces
from faceleak.faces.sources.source import Loss, SourceImage
from faceleak.faces.sources.verification_bin import VerificationFaces
from faceleak.faces.store import FaceStore, sha256_of
from faceleak.work.compute import ComputeOptions

ALL_MAY_BREAK = QuarantineOptions(maximum_share=1)


def jpeg(number: int, size: int = 16) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return encode_jpeg(pixels)


@dataclass
class SomeImages:
    """A source of the given contents; reading raises `error` at number `fails_at`."""

    contents: list[bytes]
    fails_at: int | None = None
    lost: list[Loss] = field(default_factory=list)
    started_at: list[int] = field(default_factory=list)
    states_roles = False

    def fingerprint(self) -> str:
        return sha256_of(b"".join(self.contents))

    def __len__(self) -> int:
        return len(self.contents)

    def read(self, start: int) -> Iterator[SourceImage]:
        self.started_at.append(start)
        for number, content in enumerate(self.contents[start:], start):
            if number == self.fails_at:
                raise KeyboardInterrupt
            yield SourceImage(f"{number:05d}", str(number // 2), "some", content)

    def losses(self) -> list[Loss]:
        return self.lost


@pytest.fixture
def small_parts(monkeypatch) -> None:
    monkeypatch.setattr(packing, "ROWS_PER_BATCH", 10)


def test_sound_images_are_stored_byte_by_byte(tmp_path):
    contents = [jpeg(number) for number in range(5)]
    Packing(SomeImages(contents)).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    assert [store.jpeg(number) for number in range(5)] == contents
    assert store.manifest()["sha256"].tolist() == [sha256_of(content) for content in contents]
    assert store.quarantine().empty
    assert [path.name for path in tmp_path.iterdir()] == ["faces.arrow"]


def test_broken_images_are_listed_and_the_others_are_packed(tmp_path, small_parts):
    contents = [jpeg(number) if number % 7 else b"no image" for number in range(45)]
    lost = [Loss("train.rec", "was cut")]
    Packing(SomeImages(contents, lost=lost), ALL_MAY_BREAK).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    quarantine = store.quarantine()
    assert quarantine["image_id"].tolist() == [*(f"{number:05d}" for number in range(0, 45, 7)), "train.rec"]
    assert quarantine["identity"].tolist()[:2] == ["0", "3"]
    assert quarantine["reason"].str.contains("not an image").sum() == 7
    assert len(store) == 38


def test_too_many_broken_images_stop_the_run_with_the_first_few(tmp_path, small_parts):
    path = tmp_path / "faces.arrow"
    path.write_bytes(b"an earlier store")
    contents = [jpeg(number) if number >= 8 else b"no image" for number in range(100)]
    with pytest.raises(QuarantineError) as caught:
        Packing(SomeImages(contents), QuarantineOptions(maximum_share=0.05)).into(path)
    message = str(caught.value)
    assert "8 of the first 10 images (of 100) cannot be used, more than the 5.0%" in message
    assert "- 00004: Image 00004 of some is not an image" in message
    assert "… and 3 more" in message
    assert path.read_bytes() == b"an earlier store"
    assert len(pd.read_csv(tmp_path / "faces.arrow.parts" / "quarantine.csv")) == 8
    Packing(SomeImages(contents), QuarantineOptions(maximum_share=0.08)).into(path)
    assert len(FaceStore(path)) == 92


def test_an_interrupted_run_goes_on_after_its_last_part(tmp_path, small_parts):
    contents = [jpeg(number) if number % 9 else b"no image" for number in range(77)]
    path, undisturbed = tmp_path / "faces.arrow", tmp_path / "undisturbed.arrow"
    Packing(SomeImages(contents), ALL_MAY_BREAK).into(undisturbed)
    source = SomeImages(contents, fails_at=57)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            Packing(source, ALL_MAY_BREAK).into(path)
    source.fails_at = None
    Packing(source, ALL_MAY_BREAK).into(path)
    assert source.started_at[0] == 0
    assert source.started_at[1] > 0
    assert path.read_bytes() == undisturbed.read_bytes()


def test_a_part_altered_behind_our_back_is_made_anew(tmp_path, small_parts):
    contents = [jpeg(number) for number in range(128)]
    path, undisturbed = tmp_path / "faces.arrow", tmp_path / "undisturbed.arrow"
    Packing(SomeImages(contents)).into(undisturbed)
    with pytest.raises(KeyboardInterrupt):
        Packing(SomeImages(contents, fails_at=100)).into(path)
    part = sorted((tmp_path / "faces.arrow.parts").iterdir())[1]
    assert b"00012" in part.read_bytes()
    part.write_bytes(part.read_bytes().replace(b"00012", b"00021", 1))
    source = SomeImages(contents)
    Packing(source).into(path)
    assert source.started_at == [10]
    assert path.read_bytes() == undisturbed.read_bytes()


def test_a_damaged_part_and_parts_of_another_source_are_made_anew(tmp_path, small_parts):
    contents = [jpeg(number) for number in range(128)]
    path, undisturbed = tmp_path / "faces.arrow", tmp_path / "undisturbed.arrow"
    Packing(SomeImages(contents)).into(undisturbed)
    with pytest.raises(KeyboardInterrupt):
        Packing(SomeImages(contents, fails_at=100)).into(path)
    parts = sorted((tmp_path / "faces.arrow.parts").iterdir())
    assert len(parts) > 4
    parts[2].write_bytes(parts[2].read_bytes()[:500])
    source = SomeImages(contents)
    Packing(source).into(path)
    assert source.started_at == [20]
    assert path.read_bytes() == undisturbed.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        Packing(SomeImages(contents[1:], fails_at=100)).into(path)
    source = SomeImages(contents[2:])
    Packing(source).into(path)
    assert source.started_at == [0]
    assert len(FaceStore(path)) == 126


def test_large_images_end_a_part_early(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "BYTES_PER_PART", 3000)
    contents = [jpeg(number) for number in range(20)]
    Packing(SomeImages(contents)).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    assert [store.jpeg(number) for number in range(20)] == contents


SCRIPT = """
import sys
from pathlib import Path
from faceleak.work.compute import ComputeOptions
from faceleak.faces import packing
from faceleak.faces.sources.recordio import RecordFaces

if __name__ == "__main__":
    packing.ROWS_PER_BATCH = 100
    packing.FEW_IMAGES = 0
    workers = ComputeOptions(workers=int(sys.argv[3]))
    packing.Packing(RecordFaces(Path(sys.argv[1])), compute=workers).into(Path(sys.argv[2]))
"""


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_run_killed_at_any_moment_and_run_again_gives_the_same_store_bit_for_bit(workers, tmp_path):
    records, script = tmp_path / "train.rec", tmp_path / "pack.py"
    write_records(records, [jpeg(number % 50) for number in range(6000)])
    script.write_text(SCRIPT)

    def start(store: Path, count: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, script, records, store, str(count)], start_new_session=True)

    assert start(tmp_path / "undisturbed.arrow", 3 - workers).wait(120) == 0
    killed = tmp_path / "killed.arrow"
    parts = tmp_path / "killed.arrow.parts"
    for wanted in (3, 12):
        process = start(killed, workers)
        while len(list(parts.glob("[0-9]*.arrow"))) < wanted:
            assert process.poll() is None
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not killed.exists()
    assert start(killed, workers).wait(120) == 0
    assert killed.read_bytes() == (tmp_path / "undisturbed.arrow").read_bytes()
    assert not parts.exists()


def write_records(path: Path, contents: list[bytes]) -> None:
    places = []
    with path.open("wb") as file:
        for number, content in enumerate(contents):
            places.append(file.tell())
            payload = HEADER.pack(0, number // 10, number, 0) + content
            file.write(PREFIX.pack(MAGIC, len(payload)) + payload + bytes(-len(payload) % 4))
    path.with_suffix(".idx").write_text("".join(f"{key}\t{place}\n" for key, place in enumerate(places, 1)))


def encoded(mode: str, form: str) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((64, 64), 80).convert(mode).save(content, form)
    return content.getvalue()


def png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", data or zlib.compress(bytes(99)))
        + chunk(b"IEND", b"")
    )


def jpeg_claiming(width: int, height: int) -> bytes:
    content = bytearray(jpeg(0))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


BAD_CONTENTS = {
    "empty": (b"", "not an image"),
    "text": (b"these are words", "not an image"),
    "web page": (b"<!doctype html><title>404</title>", "not an image"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "PDF": (b"%PDF-1.7\n", "not an image"),
    "GIF": (encoded("P", "GIF"), "not an image of a known format .* but GIF. Convert it"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "not an image of a known format .* but HEIC. Convert it"),
    "camera raw": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "not an image .* but camera raw. Convert it"),
    "archive": (b"PK\x03\x04" + bytes(60), "not an image"),
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "not an image"),
    "zeros": (bytes(4000), "not an image"),
    "noise": (np.random.default_rng(0).bytes(4000), "not an image"),
    "JPEG header only": (jpeg(0)[:20], "not an image|damaged"),
    "JPEG cut in half": (jpeg(0, 64)[:1500], "damaged"),
    "JPEG without its end": (jpeg(0, 64)[:-40], "damaged"),
    "JPEG overwritten in the middle": (jpeg(0, 64)[:700] + b"\xff\xd9" * 300 + jpeg(0, 64)[1300:], "damaged"),
    "JPEG of 4 gigapixels": (jpeg_claiming(65_000, 65_000), "memory safe"),
    "JPEG without height": (jpeg_claiming(16, 0), "damaged|not an image"),
    "PNG cut in half": (encoded("RGB", "PNG")[:1000], "damaged"),
    "PNG of 3.6 gigapixels": (png(60_000, 60_000), "memory safe"),
    "PNG too wide": (png(70_000, 1), "70000×1"),
    "PNG with rotten data": (png(32, 32, b"rotten" * 9), "damaged"),
    "PNG with too few rows": (png(512, 512), "damaged"),
    "BMP cut": (encoded("RGB", "BMP")[:500], "damaged"),
    "TIFF cut": (encoded("RGB", "TIFF")[:600], "damaged|not an image"),
    "TIFF of floats": (encoded("F", "TIFF"), "16 bits"),
    "WEBP cut": (encoded("RGB", "WEBP")[:200], "damaged|not an image"),
    "PPM cut": (encoded("RGB", "PPM")[:500], "damaged"),
    "PPM with a mad size": (b"P6 999999 999999 255\n" + bytes(30), "memory safe"),
    "larger than 64 MB": (None, "larger than"),
}


@pytest.mark.parametrize(("content", "reason"), BAD_CONTENTS.values(), ids=BAD_CONTENTS)
def test_bad_input_is_named_once_and_nothing_else_is_lost(content, reason, tmp_path):
    people = tmp_path / "people"
    for person in ("anna", "bert"):
        (people / person).mkdir(parents=True)
        for number in range(2):
            (people / person / f"{number}.jpg").write_bytes(jpeg(number))
    bad = people / "anna" / "1b.jpg"
    with bad.open("wb") as file:
        file.write(content or b"")
        file.truncate(MAXIMUM_BYTES + 1 if content is None else len(content))
    Packing(FaceFolder(people), ALL_MAY_BREAK).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    assert store.manifest()["image_id"].tolist() == ["anna/0.jpg", "anna/1.jpg", "bert/0.jpg", "bert/1.jpg"]
    assert [store.jpeg(number) for number in range(4)] == [jpeg(0), jpeg(1)] * 2
    (row,) = store.quarantine().itertuples(index=False)
    assert (row.image_id, row.identity) == ("anna/1b.jpg", "anna")
    assert pd.Series([row.reason]).str.contains(reason).all(), row.reason
    assert "1b.jpg" in row.reason
    with pytest.raises(QuarantineError, match=r"1 of the first 5 images.*\n- anna/1b\.jpg"):
        Packing(FaceFolder(people)).into(tmp_path / "strict.arrow")


def test_links_to_nowhere_pipes_and_names_that_are_not_text_are_listed(tmp_path):
    person = tmp_path / "people" / "anna"
    person.mkdir(parents=True)
    (person / "0.jpg").write_bytes(jpeg(0))
    (person / "1.jpg").symlink_to("nowhere")
    os.mkfifo(person / "2.jpg")
    (person / os.fsdecode(b"\xff3.jpg")).write_bytes(jpeg(3))
    Packing(FaceFolder(person.parent, minimum_people=1), ALL_MAY_BREAK).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    assert len(store) == 1
    assert store.quarantine()["image_id"].tolist() == ["anna/1.jpg", "anna/2.jpg", "anna/\\udcff3.jpg"]


def test_lines_of_a_list_that_name_no_person_or_no_file_are_listed(tmp_path):
    (tmp_path / "0.jpg").write_bytes(jpeg(0))
    (tmp_path / "faces.csv").write_text("path,identity\n0.jpg,anna\n0.jpg,\n,bert\nnowhere.jpg,bert\na\0b.jpg,bert\n")
    Packing(ListedFaces(tmp_path / "faces.csv"), ALL_MAY_BREAK).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    assert (len(store), len(store.quarantine())) == (1, 4)


def test_the_pairs_of_a_verification_set_lie_beside_the_store(tmp_path):
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(([jpeg(number) for number in range(4)], [True, False])))
    Packing(VerificationFaces(tmp_path / "lfw.bin")).into(tmp_path / "faces.arrow")
    pairs = pd.read_csv(tmp_path / "faces.pairs.csv", dtype={"first": str, "second": str})
    assert pairs.to_numpy().tolist() == [["000000", "000001", True], ["000002", "000003", False]]
    assert FaceStore(tmp_path / "faces.arrow").positions(pairs["second"]).tolist() == [1, 3]


def test_the_loss_of_a_cut_file_stands_in_the_quarantine_and_is_told(tmp_path, caplog):
    write_records(tmp_path / "train.rec", [jpeg(number) for number in range(50)])
    content = (tmp_path / "train.rec").read_bytes()
    (tmp_path / "train.rec").write_bytes(content[: len(content) // 2])
    Packing(RecordFaces(tmp_path / "train.rec"), compute=ComputeOptions(workers=1)).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    assert 20 < len(store) < 26
    reason = store.quarantine()["reason"].item()
    assert f"{len(store)} of the 50 images" in reason
    assert store.quarantine()["count"].item() == 50 - len(store)
    assert caplog.messages == [reason]


def test_images_of_a_size_that_is_not_accepted_are_set_aside_as_broken_ones_are(tmp_path):
    sizes = [16, 7, 16, 8, 40, 41] * 5
    source = SomeImages([jpeg(number, size) for number, size in enumerate(sizes)])
    packed = Packing(source, ALL_MAY_BREAK, minimum_size=8, maximum_size=40)
    packed.into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    assert store.manifest()["width"].tolist() == [16, 16, 8, 40] * 5
    quarantine = store.quarantine()
    assert len(quarantine) == 10
    assert quarantine["reason"].tolist()[:2] == [
        "It is 7×7 pixels, smaller than the 8 of faces.validation.minimum_size. Rescale it, or change the limit.",
        "It is 41×41 pixels, larger than the 40 of faces.validation.maximum_size. Rescale it, or change the limit.",
    ]
    assert Packing(source, ALL_MAY_BREAK, minimum_size=7, maximum_size=40).fingerprint() != packed.fingerprint()
    with pytest.raises(QuarantineError, match=r"10 of the first 30 images.*faces\.quarantine\.maximum_share") as caught:
        Packing(source, minimum_size=8, maximum_size=40).into(tmp_path / "strict.arrow")
    assert "- 00001: It is 7×7 pixels" in str(caught.value)
    assert len(pd.read_csv(tmp_path / "strict.arrow.parts" / "quarantine.csv")) == 10


def test_pixels_encoded_anew_at_another_quality_are_other_images_and_source_bytes_are_not(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    contents, stores = [png.getvalue(), jpeg(1)], []
    for quality in (95, 30):
        monkeypatch.setattr(images, "JPEG_QUALITY", quality)
        Packing(SomeImages(contents)).into(tmp_path / f"{quality}.arrow")
        stores.append(FaceStore(tmp_path / f"{quality}.arrow"))
    manifests = [store.manifest() for store in stores]
    pd.testing.assert_frame_equal(*manifests)
    assert manifests[0]["sha256"].tolist() == [sha256_of(content) for content in contents]
    stored = [store.as_stored(manifest)["sha256"] for store, manifest in zip(stores, manifests, strict=True)]
    assert (stored[0] == stored[1]).tolist() == [False, True]
    for store, hashes in zip(stores, stored, strict=True):
        assert hashes.tolist() == [sha256_of(store.jpeg(row)) for row in range(2)]
