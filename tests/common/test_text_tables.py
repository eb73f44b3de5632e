"""What spreadsheets and people write, and what a reader must not make of it."""

import math

import pandas as pd
import pytest

from faceleak.common.text_tables import TextTableError, number_in, read_cells, read_lines, read_results, read_table

NAMED_LIKE_SOMETHING_ELSE = ["NA", "null", "None", "nan", "NaN", "1e5", "007", "12.0", "1_000", "True", "2024-01-01"]


def test_a_name_stays_what_stands_in_the_file(tmp_path):
    rows = "".join(f"{number}.jpg,{name}\n" for number, name in enumerate(NAMED_LIKE_SOMETHING_ELSE))
    (tmp_path / "list.csv").write_text("path,identity\n" + rows)
    assert [cells["identity"] for _, cells in read_table(tmp_path / "list.csv", "path")] == NAMED_LIKE_SOMETHING_ELSE


def test_results_are_read_as_they_were_written(tmp_path):
    table = pd.DataFrame(
        {
            "identity": NAMED_LIKE_SOMETHING_ELSE,
            "attack": "null",
            "p_value": [0.1 + 0.2, 1e-300, math.nan, math.inf, *range(7)],
            "rank": range(11),
        }
    )
    table.to_csv(tmp_path / "risks.csv", index=False)
    read = read_results(tmp_path / "risks.csv")
    assert read["identity"].tolist() == NAMED_LIKE_SOMETHING_ELSE
    assert read["attack"].tolist() == ["null"] * 11
    pd.testing.assert_frame_equal(read[["p_value", "rank"]], table[["p_value", "rank"]], check_exact=True)


def test_rows_are_named_by_their_line(tmp_path):
    (tmp_path / "list.csv").write_text('path,identity\n\n"a\nb.jpg",anna\nc.jpg,bert\n')
    assert [number for number, _ in read_table(tmp_path / "list.csv", "path")] == [4, 5]


def test_legacy_text_is_read_with_one_warning(tmp_path, caplog):
    (tmp_path / "list.csv").write_bytes("path,identity\na.jpg,anna\nb.jpg,Zoë\n".encode("latin-1"))
    for _ in range(2):
        list(read_table(tmp_path / "list.csv", "path"))
    (record,) = caplog.records
    assert "read as Windows-1252 (row 3: 'Zoë')" in record.message


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12", 12.0),
        ("-1.5e2", -150.0),
        (".5", 0.5),
        ("12,5", 12.5),
        ("", math.nan),
        ("NaN", math.nan),
        ("inf", math.inf),
    ],
)
def test_numbers_are_read(cell, number, tmp_path):
    assert number_in(cell, tmp_path, 2, "x1") == pytest.approx(number, nan_ok=True)


@pytest.mark.parametrize("cell", ["1,234", "1_000", "1.234,5", "NA", "12 px", "١٢"])
def test_what_may_be_another_number_is_named(cell, tmp_path):
    with pytest.raises(TextTableError, match=rf"marks.csv, row 4, column x1: '{cell}'"):
        number_in(cell, tmp_path / "marks.csv", 4, "x1")


def test_cells_and_lines_take_the_same_encodings(tmp_path):
    (tmp_path / "pairs.txt").write_bytes("2;1;\r\nAnna;1;4;\r\n".encode("utf-16"))
    assert read_cells(tmp_path / "pairs.txt") == [(1, ["2", "1"]), (2, ["Anna", "1", "4"])]
    (tmp_path / "people.txt").write_bytes("Zoë\r\n007\r\n".encode("utf-8-sig"))
    assert read_lines(tmp_path / "people.txt") == ["Zoë", "007"]
    with pytest.raises(TextTableError, match="cannot be read"):
        read_lines(tmp_path / "nowhere.txt")
