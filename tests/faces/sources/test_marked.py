"""A list of who was trained on states the role of every image of any source."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from faceleak.faces.options import FacesOptions
from faceleak.faces.packing import Packing
from faceleak.faces.sources.csv_list import ListedFaces
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.sources.marked import MarkedFaces
from faceleak.faces.sources.opening import open_images
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.faces.sources.source import SourceError, names_of
from faceleak.faces.store import STATED_ROLE, FaceStore

from .conftest import gray_jpeg

ROLES = {"member": {"people": 1}, "unseen_identity": {"people": 1}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people with two images each."""
    for number, person in enumerate(("anna", "bert", "carl")):
        (tmp_path / "people" / person).mkdir(parents=True)
        for image in range(2):
            (tmp_path / "people" / person / f"{image}.jpg").write_bytes(gray_jpeg(40 * number + 10 * image))
    return tmp_path / "people"


def marked(folder: Path, *lines: str) -> MarkedFaces:
    (folder.parent / "members.txt").write_text("\n".join(lines) + "\n")
    return MarkedFaces(FaceFolder(folder), folder.parent / "members.txt")


def test_people_are_members_with_all_images_and_of_single_images_the_rest_is_the_same_identity(folder: Path) -> None:
    source = marked(folder, "image_id", "anna", "bert\\1.jpg", "")
    Packing(source).into(folder.parent / "faces.arrow")
    stated = FaceStore(folder.parent / "faces.arrow").manifest().set_index("image_id")[STATED_ROLE]
    assert stated.to_dict() == {
        "anna/0.jpg": "member",
        "anna/1.jpg": "member",
        "bert/0.jpg": "same_identity",
        "bert/1.jpg": "member",
        "carl/0.jpg": "non_member",
        "carl/1.jpg": "non_member",
    }


def test_another_list_packs_the_faces_anew(folder: Path) -> None:
    before = marked(folder, "anna").fingerprint()
    assert marked(folder, "anna").fingerprint() == before
    assert marked(folder, "bert").fingerprint() != before


def test_a_line_that_names_nobody_is_told_what_names_look_like(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"2 of 3 lines are neither .* \('anne', 'bert/9.jpg'\)\. A person is called"):
        list(marked(folder, "anne", "bert", "bert/9.jpg").read(0))
    with pytest.raises(SourceError, match="names nobody"):
        list(marked(folder, "identity").read(0))
    with pytest.raises(SourceError, match=r"Set faces\.members"):
        MarkedFaces(FaceFolder(folder), folder / "none.txt").fingerprint()


def test_roles_are_stated_once(folder: Path) -> None:
    list_of_all = folder.parent / "faces.csv"
    list_of_all.write_text("path,identity,role\npeople/anna/0.jpg,anna,member\n")
    (folder.parent / "members.txt").write_text("anna\n")
    with pytest.raises(SourceError, match="states roles itself"):
        list(MarkedFaces(ListedFaces(list_of_all), folder.parent / "members.txt").read(0))
    several = {"one": {"role": "member", "source": "folder", "folder": {"path": str(folder)}}}
    with pytest.raises(ValidationError, match="both say who was trained on"):
        FacesOptions.model_validate(
            {"source": "several", "several": several, "members": "members.txt", "splits": {"roles": ROLES}}
        )
    with pytest.raises(ValidationError, match="the demo's people are drawn"):
        FacesOptions.model_validate(
            {
                "source": "demo",
                "demo": {"people": 9, "images_per_person": 2},
                "members": "members.txt",
                "splits": {"roles": ROLES},
            }
        )


def test_the_configuration_opens_a_list_of_members(folder: Path) -> None:
    (folder.parent / "members.txt").write_text("carl\n")
    options = FacesOptions.model_validate(
        {
            "source": "folder",
            "folder": {"path": folder},
            "members": folder.parent / "members.txt",
            "splits": {"roles": ROLES},
        }
    )
    source = open_images(options)
    assert [image.stated_role for image in source.read(3)] == ["non_member", "member", "member"]


def test_sources_name_their_images_without_reading_them(folder: Path, recordio: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,identity\npeople/anna/0.jpg,anna\npeople\\bert\\1.jpg,bert\n")
    for source in (FaceFolder(folder), RecordFaces(recordio), ListedFaces(tmp_path / "list.csv")):
        assert list(names_of(source)) == [(image.image_id, image.identity) for image in source.read(0)]
