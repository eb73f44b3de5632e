import io
import logging
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceleak.faces.images import encode_jpeg
from faceleak.faces.options import LfwDownloadOptions
from faceleak.faces.packing import Packing
from faceleak.faces.sources.folder import FaceFolder, lfw_faces
from faceleak.faces.sources.source import SourceError
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
    (folder / "bert" / "gray.PNG").write_bytes(b"")
    Image.new("L", (30, 20), 200).save(folder / "bert" / "gray.PNG", "PNG")
    Packing(FaceFolder(folder)).into(tmp_path / "faces.arrow")
    store = FaceStore(tmp_path / "faces.arrow")
    manifest = store.manifest()
    assert manifest["image_id"].tolist() == ["anna/0.jpg", "anna/1.jpg", "bert/0.jpg", "bert/1.jpg", "bert/gray.PNG"]
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


def ids(folder: Path) -> list[str]:
    return [image.image_id for image in FaceFolder(folder).read(0)]


def encoded(form: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (20, 20), (9, 8, 7)).save(content, form)
    return content.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "PPM"])
@pytest.mark.parametrize("name", ["x.jfif", "x", "x.heic", "x.JPE", "12.5"])
def test_a_picture_is_taken_by_its_first_bytes_whatever_it_is_called(name, form, folder, tmp_path):
    (folder / "anna" / name).write_bytes(encoded(form))
    assert f"anna/{name}" in ids(folder)
    assert FaceFolder(folder).losses() == []
    Packing(FaceFolder(folder)).into(tmp_path / "faces.arrow")
    assert f"anna/{name}" in FaceStore(tmp_path / "faces.arrow").manifest()["image_id"].tolist()


HEIC, RAW = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"II*\0\x10\0\0\0CR\x02\0" + bytes(40)
NOT_TAKEN = {
    "HEIC": ("anna/3.heic", HEIC, "their format is not read: 1 (HEIC 1), such as anna/3.heic. Convert them to JPEG"),
    "HEIC without suffix": ("anna/3", HEIC, "their format is not read: 1 (HEIC 1), such as anna/3."),
    "GIF": ("anna/3.gif", encoded("GIF"), "their format is not read: 1 (GIF 1)"),
    "AVIF": ("anna/3.avif", b"\0\0\0\x1cftypavif" + bytes(20), "their format is not read: 1 (AVIF 1)"),
    "camera raw": ("anna/3.CR2", RAW, "their format is not read: 1 (camera raw 1)"),
    "camera raw as TIFF": ("anna/3.nef", encoded("TIFF"), "their format is not read: 1 (camera raw 1)"),
    "deeper": ("anna/film/3.jpg", encoded("JPEG"), "they lie deeper than <person>/<image>: 1 (.jpg 1), such as "
               "anna/film/3.jpg. Move them up"),
    "much deeper": ("anna/a/b/c/3", encoded("PNG"), "they lie deeper than <person>/<image>: 1 (no suffix 1)"),
    "loose": ("3.jpg", encoded("JPEG"), "they lie beside the folders of the people: 1 (.jpg 1), such as 3.jpg. Move"),
    "words": ("anna/notes.txt", b"BMW and Python", "they are no pictures of a format that is known: 1 (.txt 1), such"),
    "words beside": ("README", b"P5", "they are no pictures of a format that is known: 1 (no suffix 1), such as READ"),
    "words below": ("anna/a/b.csv", b"1,2", "they are no pictures of a format that is known: 1 (.csv 1), such as anna"),
    "empty": ("anna/3.heif", b"", "they are no pictures of a format that is known: 1 (.heif 1)"),
    "nobody": ("carl/3.txt", b"", "these people's folders hold no picture that is taken: 1 (folders 1), such as carl."),
    "no name in UTF-8": (os.fsdecode(b"anna/\xff.txt"), b"", "1 (.txt 1), such as anna/\\udcff.txt"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "reason"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_what_is_not_taken_is_counted_by_reason(name, content, reason, folder, tmp_path, caplog):
    before = FaceFolder(folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    assert (ids(folder), FaceFolder(folder).fingerprint()) == (
        [i.image_id for i in before.read(0)],
        before.fingerprint(),
    )
    Packing(FaceFolder(folder)).into(tmp_path / "faces.arrow")
    quarantine = FaceStore(tmp_path / "faces.arrow").quarantine()
    (row,) = [row for row in quarantine.itertuples() if reason in row.reason]
    assert (row.image_id, row.count) == (str(folder), 1)
    assert f"Not taken from {folder}, because " in row.reason
    assert row.reason in caplog.text


def test_each_reason_has_one_line_with_counts_and_an_example(folder):
    for number in range(3):
        (folder / "anna" / f"{number}.heic").write_bytes(HEIC)
        (folder / "bert" / f"{number}.gif").write_bytes(encoded("GIF"))
    (folder / "anna" / "4.heic").write_bytes(HEIC)
    (folder / "a.txt").write_text("words")
    losses = {loss.reason.split("because ")[1]: loss.count for loss in FaceFolder(folder).losses()}
    assert losses == {
        "their format is not read: 7 (HEIC 4, GIF 3), such as anna/0.heic. Convert them to JPEG or PNG.": 7,
        "they are no pictures of a format that is known: 1 (.txt 1), such as a.txt.": 1,
    }


SYSTEM_FILES = ["anna/._0.jpg", "anna/.DS_Store", "anna/Thumbs.db", "anna/DESKTOP.INI", ".git/0.jpg", "@eaDir/0.jpg"]
SYSTEM_FILES += ["anna/@eaDir/0.jpg/small.jpg", "anna/.@__thumb/0.jpg", "__MACOSX/anna/._0.jpg", "anna/.hidden.jpg"]


def test_what_belongs_to_the_system_is_left_out_and_said_once(folder, caplog):
    before = FaceFolder(folder).fingerprint()
    for name in SYSTEM_FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded("JPEG"))
    source = FaceFolder(folder)
    with caplog.at_level(logging.INFO):
        assert (len(source), source.losses(), source.fingerprint(), len(ids(folder))) == (4, [], before, 4)
    (line,) = {record.getMessage() for record in caplog.records}
    assert line.startswith(f"Not taken from {folder}, because they are hidden or belong to the operating system: 10 (")
    assert "@eaDir 2, " in line


def test_people_may_be_links_and_links_below_lead_nowhere(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "0.jpg").write_bytes(encoded("JPEG"))
    (folder / "carl").symlink_to(tmp_path / "elsewhere")
    (folder / "anna" / "in circles").symlink_to(folder)
    (folder / "anna" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "0.jpg")
    (folder / "bert" / "itself").symlink_to("itself")
    assert ids(folder) == ["anna/0.jpg", "anna/1.jpg", "anna/2.jpg", "bert/0.jpg", "bert/1.jpg", "carl/0.jpg"]
    deeper, other = FaceFolder(folder).losses()
    assert "deeper than <person>/<image>: 1 (links to folders 1), such as anna/in circles" in deeper.reason
    assert "cannot be opened: 1 (Too many levels of symbolic links 1), such as bert/itself" in other.reason


def test_a_folder_that_may_not_be_opened_is_counted_and_the_others_are_read(folder, monkeypatch):
    scandir = os.scandir

    def refuse(path: Path):
        if Path(path).name == "anna":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    source = FaceFolder(folder, minimum_people=1)
    assert [image.image_id for image in source.read(0)] == ["bert/0.jpg", "bert/1.jpg"]
    assert "cannot be opened: 1 (Permission denied 1), such as anna. Check their perm" in source.losses()[0].reason


def test_a_path_one_folder_too_high_is_refused_and_told_so(folder):
    with pytest.raises(
        SourceError, match=r"images of 0 people.*\n- Not taken.*deeper than <person>/<image>: 4 \(\.jpg 4"
    ):
        len(FaceFolder(folder.parent))


@pytest.mark.shared_data
def test_real_gray_faces_are_packed(external, tmp_path):
    Packing(FaceFolder(external / "faces" / "orl_att")).into(tmp_path / "orl.arrow")
    store = FaceStore(tmp_path / "orl.arrow")
    manifest = store.manifest()
    assert manifest.groupby("identity").size().tolist() == [10] * 40
    assert set(zip(manifest["width"], manifest["height"], strict=True)) == {(92, 112)}
    assert not manifest["sha256"].duplicated().any()
    assert all(store.pixels(i).std() > 10 for i in range(0, 400, 40))


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(SourceError, match=r"LFW could not be fetched .*network connection.*faces\.source: folder"):
        lfw_faces(LfwDownloadOptions(folder=tmp_path))


def test_what_was_fetched_before_is_read_without_a_network(tmp_path):
    home = tmp_path / "lfw_home"
    for person in ("anna", "bert"):
        (home / "lfw_funneled" / person).mkdir(parents=True)
        Image.new("RGB", (250, 250)).save(home / "lfw_funneled" / person / f"{person}_0001.jpg")
    for name in ("pairsDevTrain.txt", "pairsDevTest.txt", "pairs.txt"):
        (home / name).write_text("")
    assert [image.image_id for image in lfw_faces(LfwDownloadOptions(folder=tmp_path)).read(0)] == [
        "anna/anna_0001.jpg",
        "bert/bert_0001.jpg",
    ]
