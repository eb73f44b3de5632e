import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.faces.pairs import PairsError, locate, read_pairs

LINES = ["2\t1", "Anna\t1\t4", "Anna\t2\tBert\t1", "Bert\t1\t2", "Bert\t3\tAnna\t12"]


@pytest.fixture
def written(tmp_path):
    """Write lines as pairs.txt: written(lines)."""

    def write(lines):
        (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n")
        return tmp_path / "pairs.txt"

    return write


def test_pairs_are_read_with_their_folds(written):
    pairs = read_pairs(written(LINES))
    assert pairs.to_dict("list") == {
        "fold": [1, 1, 2, 2],
        "first": ["Anna_0001", "Anna_0002", "Bert_0001", "Bert_0003"],
        "second": ["Anna_0004", "Bert_0001", "Bert_0002", "Anna_0012"],
        "same_person": [True, False, True, False],
    }


@given(folds=st.integers(1, 5), each=st.integers(1, 4))
def test_any_number_of_folds_and_pairs_is_read(folds, each, tmp_path_factory):
    lines = [f"{folds}\t{each}"]
    for fold in range(folds):
        lines += [f"P{fold}\t{i + 1}\t{i + 2}" for i in range(each)] + [f"P{fold}\t{i + 1}\tQ\t1" for i in range(each)]
    path = tmp_path_factory.mktemp("pairs") / "pairs.txt"
    path.write_text("\n".join(lines))
    pairs = read_pairs(path)
    assert pairs.groupby("fold")["same_person"].agg(["sum", "size"]).to_numpy().tolist() == [[each, 2 * each]] * folds


def test_a_file_without_folds_is_one_fold(written):
    assert read_pairs(written(["1", *LINES[1:3]]))["fold"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "does not begin with the number of folds"),
        (["ten\t300"], "does not begin with the number of folds"),
        (["0\t1"], "does not begin with the number of folds"),
        (["Anna\t1\t4"], "does not begin with the number of folds"),
        (LINES[:-1], "announces 2 folds of 1 genuine and 1 impostor pairs and has 3 pairs"),
        ([*LINES[:4], "Bert\tx\tAnna\t2"], "line 5: .*A pair is a name and two numbers"),
        ([*LINES[:4], "Bert\t3\tAnna\t2\t7"], "line 5: neither three nor four columns"),
        ([LINES[0], LINES[2], LINES[1], *LINES[3:]], "pair 1: an impostor pair stands where"),
    ],
)
def test_what_is_no_file_of_pairs_is_an_error_that_says_where(lines, message, written):
    with pytest.raises(PairsError, match=rf"pairs\.txt.*{message}"):
        read_pairs(written(lines))


def test_a_missing_or_binary_file_is_an_error(tmp_path):
    with pytest.raises(PairsError, match=r"nowhere\.txt cannot be read"):
        read_pairs(tmp_path / "nowhere.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xfe\xfd\x00\x81")
    with pytest.raises(PairsError, match=r"binary\.txt, row 1, is no text"):
        read_pairs(tmp_path / "binary.txt")


IDS = ["Anna/Anna_0001.jpg", "Anna/Anna_0002.jpg", "Anna/Anna_0004.jpg", "Anna/Anna_0012.jpg"]
IDS += [f"Bert/Bert_000{number}.jpg" for number in (1, 2, 3)] + ["Carl/Carl_0001.jpg"]


def test_images_are_found_by_lfws_names(written):
    path = written(LINES)
    located = locate(read_pairs(path), IDS, path)
    assert located["first"].tolist() == [IDS[0], IDS[1], IDS[4], IDS[6]]
    assert located["second"].tolist() == [IDS[2], IDS[4], IDS[5], IDS[3]]
    assert located["same_person"].tolist() == [True, False, True, False]


def test_a_manifest_beside_the_pairs_says_which_file_is_which(written):
    path = written(LINES)
    files = [f"{number:03d}.png" for number in range(len(IDS))]
    pd.DataFrame({"file": files, "source_path": [f"lfw/{name}" for name in IDS]}).to_csv(
        path.with_name("manifest.csv"), index=False
    )
    assert locate(read_pairs(path), files, path)["first"].tolist() == ["000.png", "001.png", "004.png", "006.png"]
    path.with_name("manifest.csv").write_text("name,path\na,b\n")
    with pytest.raises(PairsError, match="columns `file` and `source_path`"):
        locate(read_pairs(path), files, path)


def test_missing_and_repeated_images_are_named(written):
    path = written(LINES)
    with pytest.raises(PairsError, match=r"2 of 7 images that .*pairs\.txt shows are not.*Anna_0001, Bert_0003"):
        locate(read_pairs(path), [name for name in IDS if name not in (IDS[0], IDS[6])], path)
    with pytest.raises(PairsError, match=r"1 images .* are there twice \(Anna_0001"):
        locate(read_pairs(path), [*IDS, "copies/Anna_0001.png"], path)
