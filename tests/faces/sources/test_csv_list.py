import pytest

from faceleak.faces.sources.csv_list import ListedFaces
from faceleak.faces.sources.source import SourceError

from .conftest import gray_jpeg


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(gray_jpeg(50 * number))
    return tmp_path


def test_paths_are_relative_to_the_list(pictures):
    lines = [f"pictures/{number}.jpg,person {number // 2}" for number in range(4)]
    (pictures / "faces.csv").write_text("\n".join(["path,identity", *lines]))
    source = ListedFaces(pictures / "faces.csv")
    found = list(source.read(0))
    assert [image.content for image in found] == [gray_jpeg(50 * number) for number in range(4)]
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
        (b'path,identity\n"x,y\n', "row 2: unexpected end of data"),
        (b"path,identity,role\nx.jpg,a,non-member\n", "row 2, column role: 'non-member' is no role"),
        (b"path,identity,role\nx.jpg,a\n", "row 2, column role: '' is no role"),
        (b"path,identity\nx.jpg,Doe, Jane\n", "row 2: 2 columns are named, and cell 3 is 'Jane'"),
        (b"path,identity,identity\nx.jpg,a,b\n", "the column 'identity' is there twice"),
        (b"path,identity\nx.jpg,anna\ny.jpg,Andr\x81 B\n", "row 3: the cell 'Andr\ufffd B' is not UTF-8"),
        ("path,identity\nx.jpg,Michał\n".encode("cp1250"), "row 2: the cell 'Micha³' is not UTF-8"),
        ("path,identity\nx.jpg,José\n".encode() + b"y.jpg,Jos\xe9\n", "mixes encodings: row 2 .* row 3: 'José'"),
        ("path,identity\nx.jpg,a\n".encode("utf-16-le"), "row 1, is no text, or text in UTF-16 without the mark"),
        (
            b"path;identity\nC:\\faces\\0.jpg;anna\n",
            r"row 2, column path: 'C:\\\\faces\\\\0.jpg' is a place on a Windows",
        ),
    ],
)
def test_what_is_no_list_is_refused(content, reason, tmp_path):
    (tmp_path / "faces.csv").write_bytes(content)
    with pytest.raises(SourceError, match=reason):
        len(ListedFaces(tmp_path / "faces.csv"))


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("path,identity\npictures/0.jpg,José NA\npictures/1.jpg,007\n", "utf-8"),
        ("path;identity\r\npictures/0.jpg;José NA\r\npictures/1.jpg;007\r\n", "utf-8-sig"),
        ("path\tidentity\r\npictures/0.jpg\tJosé NA\r\npictures/1.jpg\t007\r\n", "utf-16"),
        ("path\tidentity\npictures/0.jpg\tJosé NA\npictures/1.jpg\t007\n\t\n", "latin-1"),
        ('path, identity\npictures/0.jpg , "José NA"\n "pictures/1.jpg", 007\n\n', "cp1252"),
        ("identity;path;note\rJosé NA;pictures\\0.jpg;a,b\r007;pictures\\1.jpg;\r", "utf-8"),
    ],
    ids=["plain", "semicolons and a mark", "Excel's Unicode text", "Latin-1", "spaces and quotes", "Windows paths"],
)
def test_what_spreadsheets_write_is_read(content, encoding, pictures):
    (pictures / "faces.csv").write_bytes(content.encode(encoding))
    first, second = ListedFaces(pictures / "faces.csv").read(0)
    assert [first.identity, second.identity] == ["José NA", "007"]
    assert [first.image_id, second.image_id] == ["pictures/0.jpg", "pictures/1.jpg"]
    assert [first.content, second.content] == [gray_jpeg(0), gray_jpeg(50)]


def test_a_file_with_a_backslash_in_its_name_is_itself(pictures):
    (pictures / "a\\b.jpg").write_bytes(gray_jpeg(7))
    (pictures / "faces.csv").write_text("path,identity\na\\b.jpg,anna\n")
    (image,) = ListedFaces(pictures / "faces.csv").read(0)
    assert (image.image_id, image.content) == ("a\\b.jpg", gray_jpeg(7))
