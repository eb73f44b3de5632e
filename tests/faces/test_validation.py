import json
import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from faceleak.common.errors import FaceleakError
from faceleak.faces import counting, validation
from faceleak.faces.copies import find_copies
from faceleak.faces.options import ValidationOptions
from faceleak.faces.store import Face, sha256_of
from faceleak.faces.validation import FacesValidationError, check_images, examine, require_success, validate

OPTIONS = ValidationOptions(minimum_size=8, maximum_size=16)
ROLES = {"anna": "member", "bert": "unseen_identity", "carl": "auxiliary", "dora": "public"}
Change = Callable[[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]
PEOPLE = {person: [f"{person}/{i}" for i in range(4)] for person in ROLES}


@pytest.fixture
def store(face, packed):
    """Four people with four images each."""
    return packed([face(f"{person}/{i}", 60 * i) for person in ROLES for i in range(4)])


@pytest.fixture
def manifest(store) -> pd.DataFrame:
    return store.manifest()


@pytest.fixture
def splits(manifest) -> pd.DataFrame:
    """One person a role; the first two images of the member are trained on; the attacker knows anna."""
    splits = manifest[["image_id", "identity", "sha256"]].assign(role=manifest["identity"].map(ROLES))
    splits.loc[splits["image_id"].isin(["anna/2", "anna/3"]), "role"] = "same_identity"
    return splits.assign(known=splits["identity"] == "anna")


def failures(error: FacesValidationError) -> dict[str, tuple[int, list[str]]]:
    entries = error.result["expectations"]
    return {entry["name"]: (entry["unexpected_count"], entry["examples"]) for entry in entries if not entry["success"]}


def test_sound_faces_pass_and_every_expectation_is_reported(store, manifest, splits):
    result = validate(store, manifest, splits, OPTIONS)
    assert result["success"] is True
    assert result["rows"] == 16
    names = [entry["name"] for entry in result["expectations"]]
    assert names == [
        *("image_id_present", "image_id_unique", "identity_present", "sha256_present", "width_accepted"),
        *("height_accepted", "decodable", "in_manifest", "role_known", "image_in_one_role", "picture_in_one_role"),
        *("identity_in_one_group", "identity_known_or_not", "enough_images_of_identity"),
        *("picture_repeated_within_role", "repeated_within_role"),
    ]
    for entry in result["expectations"]:
        assert (entry["success"], entry["unexpected_count"], entry["examples"]) == (True, 0, [])
        assert entry["type"].startswith("expect_column_values_to_")
        assert entry["column"]
        assert entry["expected"]
    assert (result["message"], result["decided_by"]) == ("", {})
    assert result["images"] == {"same_hash": 0, "decoded": 16}
    assert json.loads(json.dumps(result)) == result


def test_the_demo_set_passes(demo_store, demo_splits):
    assert validate(demo_store, demo_store.manifest(), demo_splits, ValidationOptions())["success"]


def test_files_in_slices_give_the_same_as_tables(store, manifest, splits, tmp_path, monkeypatch):
    manifest, splits = at(manifest, "carl/1", width=1), with_copy(without(splits, "carl/2"), "anna/1")
    splits = at(with_copy(splits, "dora/1"), "dora/1", identity="anna").assign(decided_by="user")
    whole = examine(store, manifest, splits, find_copies(store, splits), OPTIONS)
    paths = tmp_path / "manifest.parquet", tmp_path / "splits.parquet"
    manifest.to_parquet(paths[0])
    splits.to_parquet(paths[1])
    monkeypatch.setattr(counting, "ROWS_PER_SLICE", 3)
    assert examine(store, *paths, find_copies(store, paths[1]), OPTIONS) == whole
    assert whole["decided_by"] == {"user": len(splits)}
    assert not whole["success"]
    with pytest.raises(FacesValidationError, match="expectations failed on 18 images"):
        require_success(whole)


def at(table: pd.DataFrame, row: str, **changes) -> pd.DataFrame:
    """Copy `table` with other values in the row of one image id."""
    here = table["image_id"] == row
    return table.assign(**{column: table[column].mask(here, value) for column, value in changes.items()})


def without(table: pd.DataFrame, *image_ids: str) -> pd.DataFrame:
    return table[~table["image_id"].isin(image_ids)]


def with_copy(table: pd.DataFrame, image_id: str) -> pd.DataFrame:
    return pd.concat([table, table[table["image_id"] == image_id]], ignore_index=True)


def both(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    return lambda manifest, splits: (change(manifest), change(splits))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            lambda m, s: (with_copy(m, "carl/1"), s), {"image_id_unique": (2, ["carl/1"] * 2)}, id="image id twice"
        ),
        pytest.param(
            lambda m, s: (m, with_copy(s, "anna/1")), {"image_id_unique": (2, ["anna/1"] * 2)}, id="split row twice"
        ),
        pytest.param(
            lambda m, s: (at(m, "dora/0", image_id=None), without(s, "dora/0")),
            {"image_id_present": (1, ["no image_id"]), "decodable": (1, ["no image_id"])},
            id="no image id",
        ),
        pytest.param(
            lambda m, s: (at(m, "dora/0", identity=None), without(s, "dora/0")),
            {"identity_present": (1, ["dora/0"])},
            id="nobody's image",
        ),
        pytest.param(
            lambda m, s: (at(m, "dora/0", sha256=None), without(s, "dora/0")),
            {"sha256_present": (1, ["dora/0"])},
            id="no hash",
        ),
        pytest.param(
            lambda m, s: (at(at(m, "bert/0", width=7), "bert/1", width=17), s),
            {"width_accepted": (2, ["bert/0", "bert/1"])},
            id="widths just outside",
        ),
        pytest.param(
            lambda m, s: (at(at(m, "bert/2", height=7), "bert/3", height=16), s),
            {"height_accepted": (1, ["bert/2"])},
            id="one height outside, one at the limit",
        ),
        pytest.param(
            both(lambda table: at(table, "carl/0", image_id="carl/9")),
            {"decodable": (1, ["carl/9"])},
            id="image that the store lacks",
        ),
        pytest.param(
            lambda m, s: (without(m, "carl/0"), s), {"in_manifest": (1, ["carl/0"])}, id="image that the manifest lacks"
        ),
        pytest.param(
            lambda m, s: (m, at(s, "carl/0", sha256="another")),
            {"in_manifest": (1, ["carl/0"])},
            id="image that has changed since the split",
        ),
        pytest.param(
            lambda m, s: (m, at(s, "dora/0", identity="anna")),
            {"in_manifest": (1, ["dora/0"])},
            id="person who has changed since the split",
        ),
        pytest.param(
            lambda m, s: (m, s.assign(role=s["role"].replace("public", "audience"))),
            {"role_known": (4, PEOPLE["dora"])},
            id="unknown role",
        ),
        pytest.param(
            both(lambda table: at(table, "bert/1", sha256="one")),
            {},
            id="another hash alone is no fault",
        ),
        pytest.param(
            both(lambda table: at(at(table, "anna/1", sha256="one"), "anna/3", sha256="one")),
            {"image_in_one_role": (2, ["anna/1", "anna/3"])},
            id="a trained image among same_identity",
        ),
        pytest.param(
            both(lambda table: at(at(table, "anna/1", sha256="one"), "bert/0", sha256="one")),
            {"image_in_one_role": (2, ["anna/1", "bert/0"])},
            id="a trained image under another name",
        ),
        pytest.param(
            lambda m, s: (m, at(s, "carl/3", role="public")),
            {"identity_in_one_group": (4, PEOPLE["carl"])},
            id="person in two roles",
        ),
        pytest.param(
            lambda m, s: (m, at(s, "anna/0", role="unseen_identity")),
            {"identity_in_one_group": (4, PEOPLE["anna"]), "enough_images_of_identity": (1, ["anna/0"])},
            id="member person among the unseen",
        ),
        pytest.param(
            lambda m, s: (m, at(s, "anna/3", known=False)),
            {"identity_known_or_not": (4, PEOPLE["anna"])},
            id="person half known",
        ),
        pytest.param(
            lambda m, s: (m, without(s, "bert/1", "bert/2", "bert/3")),
            {"enough_images_of_identity": (1, ["bert/0"])},
            id="one image of an unseen person",
        ),
        pytest.param(
            both(lambda table: table.assign(sha256=table["sha256"].where(table["identity"] != "bert", "one"))),
            {"enough_images_of_identity": (4, PEOPLE["bert"])},
            id="one image of an unseen person, four times",
        ),
        pytest.param(
            lambda m, s: (m, without(s, "carl/1", "carl/2", "carl/3", "anna/1", "anna/3")),
            {},
            id="one image of an auxiliary person, and one in each half of a member's",
        ),
    ],
)
def test_each_fault_is_found_counted_and_named(change, expected, store, manifest, splits):
    manifest, splits = change(manifest, splits)
    if not expected:
        assert validate(store, manifest, splits, OPTIONS)["success"]
        return
    before = manifest.copy(), splits.copy()
    with pytest.raises(FacesValidationError) as caught:
        validate(store, manifest, splits, OPTIONS)
    found = {name: (count, sorted(examples)) for name, (count, examples) in failures(caught.value).items()}
    assert found == expected
    pd.testing.assert_frame_equal(manifest, before[0])
    pd.testing.assert_frame_equal(splits, before[1])


def test_a_damaged_image_is_found(face, packed):
    images = [face(f"{person}/{i}", 60 * i) for person in ("anna", "bert") for i in range(2)]
    damaged = images[3]
    images[3] = Face("bert/1", "bert", "test", damaged.jpeg[:-30], 8, 8, damaged.sha256)
    store = packed(images)
    manifest = store.manifest()
    roles = ["member", "same_identity", "unseen_identity", "unseen_identity"]
    with pytest.raises(FacesValidationError, match=r"cannot be read from the store: 1 \(bert/1\)") as caught:
        validate(store, manifest, manifest.assign(role=roles, known=False), OPTIONS)
    assert failures(caught.value) == {"decodable": (1, ["bert/1"])}


def test_an_image_repeated_within_its_role_is_counted_and_passes(store, manifest, splits):
    manifest, splits = (at(at(table, "bert/1", sha256="one"), "bert/2", sha256="one") for table in (manifest, splits))
    result = validate(store, manifest, splits, OPTIONS)
    entry = result["expectations"][-1]
    assert entry["name"] == "repeated_within_role"
    assert (entry["severity"], entry["success"], entry["unexpected_count"]) == ("info", True, 2)
    assert sorted(entry["examples"]) == ["bert/1", "bert/2"]


def test_images_without_a_role_are_left_out_of_all_that_is_about_roles(store, manifest, splits):
    manifest = at(at(manifest, "anna/0", sha256="one"), "dora/0", sha256="one")
    splits = without(at(splits, "anna/0", sha256="one"), *PEOPLE["dora"])
    result = validate(store, manifest, splits, OPTIONS)
    assert result["rows"] == 16
    assert result["expectations"][-1]["unexpected_count"] == 0


def test_the_message_says_what_how_often_where_and_what_to_do(store, manifest, splits):
    manifest = manifest.assign(width=1)
    splits = splits.assign(role=splits["role"].replace("auxiliary", "public"), known=splits["image_id"] == "anna/0")
    with pytest.raises(FaceleakError) as caught:
        validate(store, manifest, splits, OPTIONS)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("2 of 16 expectations failed on 16 images:")
    assert lines == [
        "- images with a width of less than 8 or more than 16 pixels: 16 (anna/0, anna/1, anna/2, anna/3, bert/0, …). "
        "Remove or rescale them, or set faces.validation.minimum_size and maximum_size.",
        "- images of people whom the attacker knows by some images and not by others: 4 (anna/0, anna/1, anna/2, "
        "anna/3). Draw whole people, as faceleak.faces.splits.split does.",
    ]
    assert all(len(entry["examples"]) <= 5 for entry in caught.value.result["expectations"])


def test_the_error_travels_from_a_worker_with_its_result(store, manifest, splits):
    with pytest.raises(FacesValidationError) as caught:
        validate(store, manifest.assign(width=1), splits, OPTIONS)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert str(twin) == str(caught.value)
    assert twin.result == caught.value.result


def test_validation_is_silent_writes_nothing_and_calls_nobody(
    store, manifest, splits, tmp_path, monkeypatch, capfd, caplog
):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with caplog.at_level("WARNING"):
        validate(store, manifest, splits, OPTIONS)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert list(Path.cwd().iterdir()) == []


def test_images_with_the_hash_of_their_source_are_not_decoded(face, packed, monkeypatch):
    monkeypatch.setattr("faceleak.faces.store.ROWS_PER_BATCH", 3)
    faces = [face(f"anna/{number}", number) for number in range(10)]
    kept = [replace(one, sha256=sha256_of(one.jpeg)) for one in faces[:6]]
    anew = [*faces[6:9], replace(faces[9], jpeg=faces[9].jpeg[:-30])]
    decoded = []
    monkeypatch.setattr(
        validation, "_decodes", lambda jpeg, decodes=validation._decodes: decoded.append(jpeg) or decodes(jpeg)
    )
    found = check_images(packed([*kept, *anew]))
    assert found.sound.tolist() == [True] * 9 + [False]
    assert found.decoded == 4
    assert sorted(decoded) == sorted(one.jpeg for one in anew)


def test_a_kept_image_whose_bytes_have_changed_is_decoded(face, packed):
    one = face("anna/0")
    found = check_images(packed([replace(one, sha256=sha256_of(one.jpeg), jpeg=one.jpeg[:-30])]))
    assert (found.sound.tolist(), found.decoded) == ([False], 1)
