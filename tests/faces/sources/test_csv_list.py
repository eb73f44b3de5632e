import pytest

from faceleak.faces.sources.csv_list import ListedFaces
from faceleak.faces.sources.source import SourceError

from .conftest import grey_jpeg


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(grey_jpeg(50 * number))
    return tmp_path


def test_paths_are_relative_to_the_list(pictures):
    lines = [f"pictures/{number}.jpg,person {number // 2}" for number in range(4)]
    (pictures / "faces.csv").write_text("\n".join(["path,identity", *lines]))
    source = ListedFaces(pictures / "faces.csv")
    found = list(source.read(0))
    assert [image.content for image in found] == [grey_jpeg(50 * number) for number in range(4)]
    assert [image.identity for image in found] == ["person 0", "person 0", "person 1", "person 1"]
    assert not source.states_roles
    assert (len(source), list(source.read(3))) == (4, found[3:])


def test_roles_are_the_users(pictures):
    (pictures / "faces.csv").write_text(
        "role,path,identity\nmember,pictures/0.jpg,anna\nsame_identity,pictures/1.jpg,anna\nnon_member,pictures/2.jpg,b\n"
    )
    source = ListedFaces(pictures / "faces.csv")
    assert source.states_roles
    assert [image.stated_role for image in source.read(0)] == ["member", "same_identity", "non_member"]


def test_an_image_that_changes_changes_the_fingerprint(pictures):
    (pictures / "faces.csv").write_text("path,identity\npictures/0.jpg,a\n")
    before = ListedFaces(pictures / "faces.csv").fingerprint()
    (pictures / "pictures" / "0.jpg").write_bytes(b"another")
    assert ListedFaces(pictures / "faces.csv").fingerprint() != before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column path"),
        (b"path\nx.jpg\n", "no column identity"),
        (b"path,identity\n", "lists no image"),
        (b"path,identity\n\xff\xfe,x\n", "UTF-8"),
        (b'path,identity\n"x,y\n', "not a CSV file"),
        (b"path,identity,role\nx.jpg,a,stranger\n", "Image 1 of .* has the role 'stranger'"),
        (b"path,identity,role\nx.jpg,a\n", "has the role None"),
    ],
)
def test_what_is_no_list_is_refused(content, reason, tmp_path):
    (tmp_path / "faces.csv").write_bytes(content)
    with pytest.raises(SourceError, match=reason):
        len(ListedFaces(tmp_path / "faces.csv"))
