import pyarrow as pa
from pyarrow import parquet

from faceleak.faces.options import ParquetOptions
from faceleak.faces.sources import parquet as parquet_source
from faceleak.faces.sources.parquet import ParquetFaces

from .conftest import grey_jpeg

JPEGS = [grey_jpeg(20 * number) for number in range(10)]


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
