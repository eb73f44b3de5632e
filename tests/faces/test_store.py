import pickle
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceleak.faces import store as store_module
from faceleak.faces.canvas import Canvas
from faceleak.faces.images import ImageError, encode_jpeg
from faceleak.faces.store import Face, FaceStore, StoreError, pack, sha256_of
from faceleak.work.tasks import DiskError

STORES = Path(__file__).parent / "stores"


@pytest.fixture
def faces(face):
    """Seven faces, each of its own gray level and width."""
    return [face(f"{person}/{i}", 30 * i, width=8 + i) for i, person in enumerate("aabbbcc")]


def test_what_is_packed_is_read_again(faces, packed, monkeypatch):
    monkeypatch.setattr(store_module, "ROWS_PER_BATCH", 3)
    store = packed(faces)
    assert len(store) == 7
    for position, face in enumerate(faces):
        assert store.jpeg(position) == face.jpeg
        assert store.pixels(position).shape == (8, 8 + position, 3)
        assert abs(int(store.pixels(position).mean()) - 30 * position) <= 1
    manifest = store.manifest()
    assert list(manifest.columns) == ["image_id", "identity", "sha256", "width", "height", "source"]
    for name in manifest.columns:
        assert manifest[name].tolist() == [getattr(face, name) for face in faces]


def test_images_are_found_by_their_ids_in_any_order(faces, packed):
    store = packed(faces)
    assert store.positions(["b/3", "a/0", "b/3"]).tolist() == [3, 0, 3]
    assert store.positions([]).tolist() == []


def test_images_are_resized_only_where_they_have_another_size(smooth_pixels, packed):
    square = smooth_pixels[:, :40]
    faces = [Face(str(i), "a", "s", encode_jpeg(square), 40, 40, str(i)) for i in range(2)]
    store = packed(faces)
    np.testing.assert_array_equal(store.images([1, 0], 40), [store.pixels(1), store.pixels(0)])
    halved = store.images([0], 20)
    assert halved.shape == (1, 20, 20, 3)
    means = store.pixels(0).reshape(20, 2, 20, 2, 3).mean((1, 3))  # antialiased: close to the mean of each 2×2 block
    assert np.abs(halved[0].astype(float) - means).max() < 4


def test_images_of_another_aspect_are_placed_as_the_canvas_says(smooth_pixels, packed):
    store = packed([Face("0", "a", "s", encode_jpeg(smooth_pixels), 48, 40, "0")])
    for fit in ("stretch", "pad", "crop"):
        canvas = Canvas(48, 32, fit)
        placed = store.images([0], canvas)
        assert placed.shape == (1, 48, 32, 3)
        np.testing.assert_array_equal(placed[0], canvas.place(store.pixels(0)))


def test_a_store_travels_to_another_process_by_its_path(faces, packed):
    store = packed(faces)
    twin = pickle.loads(pickle.dumps(store))
    assert twin.manifest().equals(store.manifest())
    assert twin.jpeg(6) == store.jpeg(6)


def test_an_empty_source_gives_an_empty_store(packed):
    store = packed([])
    assert len(store) == 0
    assert store.manifest().empty


def test_an_unchanged_source_is_not_read_again(faces, listed, tmp_path):
    source, path = listed(faces), tmp_path / "faces.arrow"
    pack(source, path)
    pack(source, path)
    assert source.reads == 1
    assert FaceStore(path).fingerprint == "listed"


def test_a_changed_source_replaces_the_store(faces, listed, tmp_path):
    path = tmp_path / "faces.arrow"
    pack(listed(faces, "first"), path)
    opened = FaceStore(path)
    pack(listed(faces[:2], "second"), path)
    assert len(FaceStore(path)) == 2
    assert opened.jpeg(6) == faces[6].jpeg  # whoever has the old one open goes on reading it


def test_a_store_of_another_version_is_refused_and_packed_anew(faces, listed, tmp_path, monkeypatch):
    source, path = listed(faces), tmp_path / "faces.arrow"
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "FORMAT_VERSION", "0")
        pack(source, path)
    with pytest.raises(StoreError, match=r"faces\.arrow has format version 0, this faceleak reads version 1"):
        FaceStore(path)
    pack(source, path)
    assert len(FaceStore(path)) == 7


@pytest.mark.parametrize("version", [1])
def test_stores_of_every_version_that_landed_can_be_read(version):
    store = FaceStore(STORES / f"version_{version}.arrow")
    assert store.manifest()["image_id"].tolist() == ["anna/0", "bert/0"]
    assert [int(store.pixels(i).mean()) for i in range(2)] == [50, 200]
    assert store.fingerprint == "two grey squares"


def test_a_store_of_a_newer_version_says_so(faces, listed, tmp_path, monkeypatch):
    path = tmp_path / "faces.arrow"
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "FORMAT_VERSION", "2")
        pack(listed(faces), path)
    with pytest.raises(StoreError, match=r"format version 2, this faceleak reads version 1.*Update faceleak"):
        FaceStore(path)


def altered(faces, listed, tmp_path, before: bytes, after: bytes) -> FaceStore:
    path = tmp_path / "altered.arrow"
    pack(listed(faces), path)
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))
    return FaceStore(path)


def test_an_image_exchanged_behind_our_back_is_found_when_it_is_read(faces, listed, tmp_path):
    other = encode_jpeg(np.full((8, 8, 3), 33, np.uint8))
    assert len(other) == len(faces[0].jpeg)
    store = altered(faces, listed, tmp_path, faces[0].jpeg, other)
    with pytest.raises(StoreError, match=r"altered\.arrow was altered .*images 0 to 6 .*Delete it and run: kedro run"):
        store.pixels(0)


def test_an_image_exchanged_for_another_sound_one_does_not_pass_for_it(face, listed, tmp_path):
    plain = [face(f"a/{number}", 60 * number) for number in range(3)]
    faces = [replace(one, sha256=sha256_of(one.jpeg)) for one in plain]
    store = altered(faces, listed, tmp_path, faces[0].jpeg, encode_jpeg(np.full((8, 8, 3), 33, np.uint8)))
    assert store.pixels(1).shape == (8, 8, 3)  # its own hash is right
    with pytest.raises(StoreError, match="was altered after it was packed"):
        store.pixels(0)


def test_a_person_renamed_behind_our_back_is_found_by_the_check_of_a_part(face, listed, tmp_path):
    store = altered([face("anna/0"), face("bertram/1")], listed, tmp_path, b"annabertram", b"bertannaram")
    with pytest.raises(StoreError, match="was altered after it was packed"):
        store.verify(0)


def test_an_error_of_the_source_leaves_the_earlier_store(faces, listed, tmp_path):
    path = tmp_path / "faces.arrow"
    pack(listed(faces), path)
    before = path.read_bytes()
    with pytest.raises(ImageError, match="damaged"):
        pack(listed([*faces, ImageError("a/9 is damaged")], "changed"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_earlier_store(faces, listed, tmp_path):
    path = tmp_path / "faces.arrow"
    pack(listed(faces), path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # no file may grow beyond 1000 bytes
    try:
        with pytest.raises(DiskError, match=r"faces\.arrow could not be written"):
            pack(listed(faces * 20, "more"), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_store_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(StoreError, match=r"no store at .*nowhere\.arrow.*kedro run --pipelines=faces"):
        FaceStore(tmp_path / "nowhere.arrow")


def damage_of(content: bytes, kind: str) -> bytes:
    if kind == "a batch's header":
        at = content.index(b"\xff\xff\xff\xff", 12)  # the first message, at 8, is the schema, the second the batch
        return content[:at] + b"\xff\xff\xff\x7f" * 8 + content[at + 32 :]
    return {"empty": b"", "text": b"image_id,identity\n" * 20, "truncated": content[:-50], "half": content[:1200]}[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "half", "a batch's header"])
def test_a_damaged_store_is_refused_by_name(kind, tmp_path):
    path = tmp_path / "faces.arrow"
    path.write_bytes(damage_of((STORES / "version_1.arrow").read_bytes(), kind))
    with pytest.raises(StoreError, match=r"faces\.arrow is damaged.*kedro run --pipelines=faces"):
        FaceStore(path)


def test_a_damaged_store_is_packed_anew(faces, listed, tmp_path):
    path = tmp_path / "faces.arrow"
    path.write_bytes(b"nothing of use")
    pack(listed(faces), path)
    assert len(FaceStore(path)) == 7


def test_offsets_that_point_outside_are_found_before_an_image_is_read(faces, packed, listed, tmp_path):
    content = bytearray(packed(faces).path.read_bytes())
    offsets = np.cumsum([0, *(len(face.jpeg) for face in faces)]).astype("<i4").tobytes()
    place = bytes(content).index(offsets)
    content[place + 8 : place + 12] = np.int32(2**30).tobytes()
    path = tmp_path / "other.arrow"
    path.write_bytes(content)
    store = FaceStore(path)
    with pytest.raises(StoreError, match=r"other\.arrow is damaged"):
        store.jpeg(1)


def test_a_damaged_image_in_a_store_is_named(face, packed):
    sound, damaged = face("a/0"), face("a/1")
    store = packed([sound, Face("a/1", "a", "s", damaged.jpeg[:-40], 8, 8, "hash")])
    assert store.pixels(0).shape == (8, 8, 3)
    with pytest.raises(ImageError, match=r"Image 1 of .*faces\.arrow is damaged"):
        store.pixels(1)


def test_ids_that_are_not_in_the_store_are_counted(faces, packed):
    with pytest.raises(StoreError, match=r"2 of 3 images are not in .*faces\.arrow.*faces pipeline"):
        packed(faces).positions(["a/0", "z/0", "z/1"])


def test_sha256_is_that_of_the_bytes():
    assert sha256_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_is_stored_has_a_hash_of_its_own_in_stores_of_every_version(packed, faces):
    for store in (packed(faces), FaceStore(STORES / "version_1.arrow")):
        manifest = store.manifest()
        assert "stored_sha256" not in manifest
        stored = store.as_stored(manifest[::-1])
        assert stored.columns.tolist() == manifest.columns.tolist()
        assert stored["image_id"].tolist() == manifest["image_id"].tolist()[::-1]
        assert stored["sha256"].tolist() == [sha256_of(store.jpeg(row)) for row in reversed(range(len(store)))]
