"""Sources are recognized by their content, and counted."""

import pickle
from pathlib import Path

import pandas as pd
import pytest

from faceleak.faces.sources.source import SourceError
from faceleak.setup.faces import look_at_faces, recognize_source
from tests.faces.sources.conftest import gray_jpeg, write_bin, write_recordio

from .conftest import write_people


def test_a_folder_of_people_is_counted(faces: Path) -> None:
    write_people(faces, 1, images=1, start=40)
    found = look_at_faces(faces)
    assert (found.kind, found.block) == ("folder", {"path": str(faces)})
    assert (len(found.images_a_person), found.people_with(2), found.people_with(5)) == (41, 40, 0)
    assert found.look_aligned
    told = "41 people, 161 images (median 4 a person; 40 people have 2 or more, 40 have 4 or more), 32×32 pixels"
    assert told in found.described()


def test_photographs_of_several_sizes_do_not_look_aligned(faces: Path) -> None:
    (faces / "person_000" / "0.jpg").write_bytes(gray_jpeg(3, 48))
    found = look_at_faces(faces)
    assert not found.look_aligned
    assert "of 2 sizes among the 96 that were looked at: 32×32 and 48×48 pixels" in found.described()


def test_sizes_are_looked_for_all_over_the_source(faces: Path) -> None:
    for person, side in ((20, 40), (30, 48), (36, 56)):
        for image in (faces / f"person_{person:03d}").iterdir():
            image.write_bytes(gray_jpeg(3, side))
    found = look_at_faces(faces)
    assert "from 32×32 to 56×56 pixels, 32×32 most often" in found.described()


def test_recordio_is_recognized_by_its_first_bytes_or_as_the_only_one_in_its_folder(tmp_path: Path) -> None:
    write_recordio(tmp_path / "train.rec", [(float(number // 2), gray_jpeg(30 * number)) for number in range(6)])
    found = look_at_faces(tmp_path)
    assert (found.kind, found.block) == ("recordio", {"path": str(tmp_path / "train.rec")})
    assert found.images_a_person == {"0": 2, "1": 2, "2": 2}
    assert recognize_source(tmp_path / "train.rec", None, None)[0] == "recordio"
    with pytest.raises(SourceError, match=r"give the \.rec beside it"):
        look_at_faces(tmp_path / "train.idx")
    write_recordio(tmp_path / "other.rec", [(1.0, gray_jpeg(3))])
    with pytest.raises(SourceError, match=r"holds 2 \.rec files"):
        look_at_faces(tmp_path)


def test_a_verification_set_is_one_image_a_person(tmp_path: Path) -> None:
    write_bin(tmp_path / "lfw.bin", [gray_jpeg(10 * number) for number in range(4)], [True, False])
    found = look_at_faces(tmp_path / "lfw.bin")
    assert found.kind == "bin"
    assert set(found.images_a_person.values()) == {1}
    (tmp_path / "evil.bin").write_bytes(pickle.dumps(Path))
    with pytest.raises(SourceError, match="holds more than images and flags"):
        look_at_faces(tmp_path / "evil.bin")


def test_parquet_says_which_columns_hold_what_or_asks(tmp_path: Path) -> None:
    people = {"photo": [gray_jpeg(10 * n) for n in range(4)], "label": [1, 1, 2, 2], "size": [3, 3, 3, 3]}
    pd.DataFrame(people).to_parquet(tmp_path / "a.parquet")
    found = look_at_faces(tmp_path)
    assert found.block == {"path": str(tmp_path), "image_column": "photo", "identity_column": "label"}
    assert found.images_a_person == {"1": 2, "2": 2}
    pd.DataFrame(people).rename(columns={"label": "who"}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"may name people in who, size\. Say which one it is with --identity-column"):
        look_at_faces(tmp_path / "b.parquet")
    assert look_at_faces(tmp_path / "b.parquet", identity_column="who").block["identity_column"] == "who"


def test_a_csv_list_may_state_roles(faces: Path, tmp_path: Path) -> None:
    rows = [f"people/person_00{n}/0.jpg,person_00{n},{'member' if n < 2 else 'non_member'}" for n in range(5)]
    (tmp_path / "list.csv").write_text("\n".join(["path,identity,role", *rows]))
    found = look_at_faces(tmp_path / "list.csv")
    assert {role: len(people) for role, people in found.roles.items()} == {"member": 2, "non_member": 3}


def test_a_list_of_members_states_roles(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "members.txt").write_text("person_000\nperson_001/2.jpg\n")
    found = look_at_faces(faces, tmp_path / "members.txt")
    counted = {role: people.total() for role, people in found.roles.items()}
    assert counted == {"member": 5, "same_identity": 3, "non_member": 38 * 4}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.zip", b"PK\x03\x04", r"is an archive\. Unpack it"),
        ("x.txt", b"nothing\n", "is no source of faces that is read"),
        ("x.jpg", gray_jpeg(3), "is no source of faces that is read"),
    ],
)
def test_other_files_are_refused_with_what_is_read(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        look_at_faces(tmp_path / name)
