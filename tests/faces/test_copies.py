import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faceleak.faces import copies as module
from faceleak.faces.copies import candidates, find_copies, warn_of_copies, without_copies
from faceleak.faces.images import decode_jpeg, encode_jpeg
from faceleak.faces.options import ValidationOptions
from faceleak.faces.store import Face, sha256_of
from faceleak.faces.validation import FacesValidationError, validate

ROLES = {"anna": "member", "bert": "unseen_identity", "carl": "auxiliary"}


def picture(seed: int, side: int = 64) -> np.ndarray:
    """A picture with the spectrum of photographs, unlike that of any other seed."""
    waves = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    noise = np.fft.fft2(np.random.default_rng(seed).normal(size=(side, side)))
    gray = np.fft.ifft2(noise / np.maximum(waves, 1 / side) ** 1.2).real
    gray = 128 + 45 * (gray - gray.mean()) / gray.std()
    return np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def face(image_id: str, jpeg: bytes) -> Face:
    height, width = decode_jpeg(jpeg).shape[:2]
    return Face(image_id, image_id.split("/", maxsplit=1)[0], "test", jpeg, width, height, sha256_of(jpeg))


def saved_again(jpeg: bytes, quality: int, side: int | None = None) -> bytes:
    image, written = Image.open(io.BytesIO(jpeg)), io.BytesIO()
    (image.resize((side, side)) if side else image).save(written, "JPEG", quality=quality)
    return written.getvalue()


@pytest.fixture
def faces() -> list[Face]:
    """Three people of different roles with six pictures each."""
    names = [f"{person}/{number}" for person in ROLES for number in range(6)]
    return [face(name, encode_jpeg(picture(seed))) for seed, name in enumerate(names)]


def splits_of(store) -> pd.DataFrame:
    manifest = store.manifest()
    rows = manifest[["image_id", "identity", "sha256"]]
    return rows.assign(role=rows["identity"].map(ROLES), known=False, decided_by="user")


def test_different_pictures_are_no_copies(faces, packed):
    store = packed(faces)
    assert find_copies(store, splits_of(store)).empty


@pytest.mark.parametrize(("quality", "side"), [(30, None), (75, None), (95, None), (85, 48), (85, 112)])
def test_a_member_saved_again_among_non_members_stops_the_run_and_is_named(quality, side, faces, packed, caplog):
    faces[7] = face("bert/1", saved_again(faces[2].jpeg, quality, side))
    store = packed(faces)
    with pytest.raises(
        FacesValidationError, match=r"near copies .* play another role: 2 \(anna/2, bert/1\).*copies\.csv"
    ) as stopped:
        validate(store, store.manifest(), splits_of(store), ValidationOptions())
    named = "the image to keep first: anna/2 (member) and bert/1 (unseen_identity), likeness"
    assert named in str(stopped.value)
    assert str(stopped.value).endswith("1 pair of them in copies.csv.")
    assert "1 of them across roles: anna/2 (member) and bert/1 (unseen_identity), likeness" in caplog.text


def test_near_copies_within_a_role_are_noted(faces, packed):
    faces[7] = face("bert/1", saved_again(faces[8].jpeg, 50))
    store = packed(faces)
    result = validate(store, store.manifest(), splits_of(store), ValidationOptions())
    noted = {entry["name"]: entry["examples"] for entry in result["expectations"] if entry["unexpected_count"]}
    assert noted == {"picture_repeated_within_role": ["bert/1", "bert/2"]}


def test_the_same_bytes_are_pairs_as_well_and_those_across_roles_come_first(faces, packed, caplog):
    faces[1] = replace(faces[1], jpeg=faces[0].jpeg, sha256=faces[0].sha256)
    faces[12] = replace(faces[12], jpeg=faces[7].jpeg, sha256=faces[7].sha256)
    store = packed(faces)
    found = find_copies(store, splits_of(store))
    assert found[["first", "first_role", "second", "second_role"]].to_numpy().tolist() == [
        ["bert/1", "unseen_identity", "carl/0", "auxiliary"],
        ["anna/0", "member", "anna/1", "member"],
    ]
    assert found["same_bytes"].all()
    warn_of_copies(found)
    assert "2 pairs of images are copies of each other, 1 of them across roles" in caplog.text


def test_dropping_keeps_the_member_and_changes_no_role(faces, packed):
    faces[7] = face("bert/1", saved_again(faces[2].jpeg, 60))
    faces[13] = face("carl/1", saved_again(faces[2].jpeg, 90))
    faces[14] = replace(faces[14], jpeg=faces[8].jpeg, sha256=faces[8].sha256)
    faces[4] = face("anna/4", saved_again(faces[5].jpeg, 80))
    store = packed(faces)
    splits = splits_of(store)
    left = without_copies(splits, find_copies(store, splits))
    assert sorted(set(splits["image_id"]) - set(left["image_id"])) == ["anna/5", "bert/1", "carl/1", "carl/2"]
    pd.testing.assert_frame_equal(left, splits[splits["image_id"].isin(left["image_id"])].reset_index(drop=True))
    assert find_copies(store, left).empty


def test_copies_of_a_copy_are_dropped_with_it():
    names = ["first", "first_role", "second", "second_role"]
    rows = [("b", "unseen_identity", "c", "public"), ("a", "member", "b", "unseen_identity")]
    splits = pd.DataFrame({"image_id": list("abcd")})
    assert without_copies(splits, pd.DataFrame(rows, columns=names))["image_id"].tolist() == ["a", "d"]


def test_flat_damaged_and_missing_images_are_left_out(faces, packed):
    plain = [
        face(f"{person}/flat", encode_jpeg(np.full((64, 64, 3), level, np.uint8)))
        for person, level in zip(ROLES, (9, 10, 200), strict=True)
    ]
    damaged = replace(faces[3], jpeg=faces[3].jpeg[:200])
    store = packed([*faces[:3], damaged, *faces[4:], *plain])
    splits = splits_of(store)
    extra = splits.head(1).assign(image_id="anna/nowhere", sha256="none")
    assert find_copies(store, pd.concat([splits, extra, splits.tail(1)], ignore_index=True)).empty


def test_files_in_slices_give_the_same_as_tables(faces, packed, tmp_path, monkeypatch):
    faces[7] = face("bert/1", saved_again(faces[2].jpeg, 60))
    store = packed(faces)
    splits_of(store).to_parquet(tmp_path / "splits.parquet")
    whole = find_copies(store, splits_of(store))
    monkeypatch.setattr("faceleak.faces.counting.ROWS_PER_SLICE", 4)
    pd.testing.assert_frame_equal(find_copies(store, tmp_path / "splits.parquet"), whole, check_dtype=False)


def test_candidates_are_those_that_comparing_all_finds():
    random = np.random.default_rng(3)
    signs = random.integers(0, 2**63, (2000, 4), dtype=np.int64).astype(np.uint64)
    copies = random.choice(2000, 100, replace=False)
    flips = np.zeros((100, 256), np.uint8)
    for row in flips:
        row[random.choice(256, 12, replace=False)] = 1
    signs = np.concatenate([signs, signs[copies] ^ np.packbits(flips, axis=1).view(np.uint64)])
    differing = np.bitwise_count(signs[:, None] ^ signs[None]).sum(axis=2)
    expected = {(a, b) for a, b in np.argwhere(differing <= module.DIFFERENT).tolist() if a < b}
    assert set(map(tuple, candidates(signs).tolist())) == expected


def test_the_demo_has_no_copies(demo_store, demo_splits):
    assert find_copies(demo_store, demo_splits).empty
