from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from faceleak.faces.options import ParquetOptions
from faceleak.faces.sources import parquet as parquet_source
from faceleak.faces.sources.parquet import ParquetFaces
from faceleak.faces.sources.source import SourceError

from .conftest import gray_jpeg

JPEGS = [gray_jpeg(20 * number) for number in range(10)]


def test_bytes_and_structs_are_read_from_any_row_on(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_source, "ROWS_AT_ONCE", 3)
    structs = [{"bytes": jpeg, "path": "x.jpg"} for jpeg in JPEGS]
    for number, column in enumerate((JPEGS, structs)):
        table = pa.table({"picture": column, "who": list(range(10)), "other": ["x"] * 10})
        parquet.write_table(table, tmp_path / f"part_{number}.parquet", row_group_size=4)
    source = ParquetFaces(ParquetOptions(path=tmp_path, image_column="picture", identity_column="who"))
    found = list(source.read(0))
    assert [image.content for image in found] == JPEGS * 2
    assert [image.identity for image in found] == [str(number) for number in range(10)] * 2
    assert found[13].image_id == "part_1/000000003"
    for start in (1, 4, 9, 10, 17, 20):
        assert list(source.read(start)) == found[start:]
    assert len(source) == 20


def test_rows_without_an_image_are_reported(tmp_path):
    parquet.write_table(pa.table({"image": [JPEGS[0], None], "identity": ["a", "b"]}), tmp_path / "a.parquet")
    first, second = ParquetFaces(ParquetOptions(path=tmp_path / "a.parquet")).read(0)
    assert (first.problem, second.problem) == ("", "The row holds no image.")


def test_files_in_the_folder_that_are_not_read_are_counted(tmp_path):
    for name in ("a.parquet", "b.PARQUET", "label=1/c.parquet", "d.pq"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        parquet.write_table(pa.table({"image": JPEGS[:2], "identity": ["a", "b"]}), tmp_path / name)
    for name in ("._a.parquet", ".DS_Store", "@eaDir/a.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"of the system")
    source = ParquetFaces(ParquetOptions(path=tmp_path))
    assert [image.image_id for image in source.read(0)] == [f"{name}/{row:09d}" for name in "ab" for row in range(2)]
    (loss,) = source.losses()
    assert loss.count == 2
    assert "or lie in folders below it: 2, such as d.pq. If they hold images, set faces.parquet.path" in loss.reason
    assert ParquetFaces(ParquetOptions(path=tmp_path / "a.parquet")).losses() == []


def people(tmp_path, labels):
    """Identity and problem of each row whose identities are `labels`."""
    parquet.write_table(pa.table({"image": JPEGS[: len(labels)], "identity": labels}), tmp_path / "a.parquet")
    return [(row.identity, row.problem) for row in ParquetFaces(ParquetOptions(path=tmp_path / "a.parquet")).read(0)]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array(["NA", "null", "nan", "007", "1e5", "12.0"]), ["NA", "null", "nan", "007", "1e5", "12.0"]),
        (pa.array([12.0, -1.0, 0.0, 9007199254740991.0]), ["12", "-1", "0", "9007199254740991"]),
        (pa.array([12, 18446744073709551615], pa.uint64()), ["12", "18446744073709551615"]),
        (pa.array([Decimal("12.00"), Decimal("7.00")]), ["12", "7"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
    ],
)
def test_people_are_text_as_it_stands_and_whole_numbers_without_a_fraction(labels, names, tmp_path):
    assert people(tmp_path, labels) == [(name, "") for name in names]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (pa.array([12.0, float("nan")]), "label is missing"),
        (pa.array([12.0, None]), "label is missing"),
        (pa.array([12, None]), "label is missing"),
        (pa.array(["12", None]), "label is missing"),
        (pa.array([12.0, 12.5]), "label is 12.5; a person is text or a whole number"),
        (pa.array([12.0, float("inf")]), "label is inf; a person"),
        (pa.array([Decimal("12.0"), Decimal("12.5")]), "label is 12.5; a person"),
        (pa.array([12.0, 2.0**53]), "label 9007199254740992 is too long"),
        (pa.array([12.0, 2.0**24], pa.float32()), "label 16777216 is too long"),
    ],
)
def test_a_row_whose_person_is_not_known_is_reported(labels, reason, tmp_path):
    first, (name, problem) = people(tmp_path, labels)
    assert first == ("12", "")
    assert name == ""
    assert reason in problem


@pytest.mark.parametrize("labels", [[True, False], [b"a", b"b"], [["a"], ["b"]], [datetime(2024, 1, 1)] * 2])
def test_a_column_that_holds_no_people_is_refused(labels, tmp_path):
    with pytest.raises(SourceError, match=r"holds .*, not people .*identity_column"):
        people(tmp_path, pa.array(labels))
