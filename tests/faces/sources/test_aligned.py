from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faceleak.faces.alignment import ARCFACE
from faceleak.faces.images import encode_jpeg
from faceleak.faces.options import QuarantineOptions
from faceleak.faces.packing import Packing
from faceleak.faces.sources.aligned import AlignedFaces
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.sources.landmarks import COLUMNS
from faceleak.faces.sources.source import SourceError
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions

COMPUTE = ComputeOptions(device="cpu", workers=1)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two people with one photograph each, black but for white squares where the landmarks are, at twice their size."""
    points = 2 * np.array(ARCFACE) + 30
    pixels = np.zeros((300, 280, 3), np.uint8)
    for x, y in points.round().astype(int):
        pixels[y - 4 : y + 5, x - 4 : x + 5] = 255
    for person in ("anna", "bert"):
        (tmp_path / "people" / person).mkdir(parents=True)
        (tmp_path / "people" / person / "0.jpg").write_bytes(encode_jpeg(pixels))
    ids = ["anna/0.jpg", "bert/0.jpg"]
    pd.DataFrame([points.reshape(-1)] * 2, columns=COLUMNS).assign(image_id=ids).to_csv(
        tmp_path / "landmarks.csv", index=False
    )
    return tmp_path


def packed(folder: Path, maximum_share: float = 0.0) -> FaceStore:
    source = AlignedFaces(FaceFolder(folder / "people"), folder / "landmarks.csv", COMPUTE)
    Packing(source, QuarantineOptions(maximum_share=maximum_share), COMPUTE).into(folder / "faces.arrow")
    return FaceStore(folder / "faces.arrow")


def test_faces_are_stored_with_their_landmarks_in_place(photographs):
    store = packed(photographs)
    assert store.manifest()[["width", "height"]].eq(112).all(axis=None)
    for x, y in np.round(ARCFACE).astype(int):
        assert store.pixels(1)[y, x].min() > 200
    assert store.pixels(0).mean() < 40


def test_an_image_without_landmarks_is_set_aside(photographs):
    table = pd.read_csv(photographs / "landmarks.csv")
    table[table["image_id"] != "anna/0.jpg"].to_csv(photographs / "landmarks.csv", index=False)
    store = packed(photographs, maximum_share=0.5)
    assert store.manifest()["image_id"].tolist() == ["bert/0.jpg"]
    assert "no landmarks" in store.quarantine()["reason"][0]


@pytest.mark.parametrize("value", [7.0, np.nan, np.inf])
def test_landmarks_that_say_nothing_set_the_image_aside(value, photographs):
    table = pd.read_csv(photographs / "landmarks.csv")
    table.loc[table["image_id"] == "bert/0.jpg", COLUMNS] = value
    table.to_csv(photographs / "landmarks.csv", index=False)
    store = packed(photographs, maximum_share=0.5)
    assert store.quarantine()["image_id"].tolist() == ["bert/0.jpg"]


def test_a_photograph_with_landmarks_of_two_faces_is_set_aside_and_equal_rows_are_one(photographs):
    table = pd.read_csv(photographs / "landmarks.csv")
    other = table[table["image_id"] == "anna/0.jpg"].assign(x1=7.0)
    pd.concat([table, other, table]).to_csv(photographs / "landmarks.csv", index=False)
    store = packed(photographs, maximum_share=0.5)
    assert store.manifest()["image_id"].tolist() == ["bert/0.jpg"]
    assert "several rows of landmarks" in store.quarantine()["reason"].item()


def test_a_damaged_photograph_is_set_aside_and_the_others_go_on(photographs):
    (photographs / "people" / "anna" / "0.jpg").write_bytes(b"no image")
    store = packed(photographs, maximum_share=0.5)
    assert store.manifest()["image_id"].tolist() == ["bert/0.jpg"]


def test_other_landmarks_make_another_store(photographs):
    before = packed(photographs).fingerprint
    table = pd.read_csv(photographs / "landmarks.csv")
    table.assign(x1=table["x1"] + 1).to_csv(photographs / "landmarks.csv", index=False)
    assert packed(photographs).fingerprint != before


@pytest.mark.parametrize("content", ["image_id,x1\nanna/0.jpg,3\n", "not,a\ntable", ""])
def test_a_file_that_gives_no_landmarks_is_refused(content, photographs):
    (photographs / "landmarks.csv").write_text(content)
    with pytest.raises(SourceError, match=r"landmarks.csv does not give landmarks"):
        packed(photographs)


def test_a_missing_file_is_named_with_its_key(photographs):
    (photographs / "landmarks.csv").unlink()
    with pytest.raises(SourceError, match=r"faces\.landmarks"):
        packed(photographs)


def test_a_file_that_names_paths_is_read_and_one_of_other_images_is_told(photographs):
    table = pd.read_csv(photographs / "landmarks.csv")
    table.assign(image_id="C:\\photographs\\" + table["image_id"]).to_csv(photographs / "landmarks.csv", index=False)
    assert len(packed(photographs).manifest()) == 2
    table.assign(image_id=["1.jpg", "2.jpg"]).to_csv(photographs / "landmarks.csv", index=False)
    with pytest.raises(
        SourceError, match=r"none of the 2 images: it calls its first image '1.jpg', and an image_id is"
    ):
        packed(photographs)
