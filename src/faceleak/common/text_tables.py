"""Tables in text files: those that users give, as a spreadsheet or script wrote them, and those that a run wrote.

A name stays the text that stands in the file: `NA`, `007` and `1e5` are names like any other. Only an empty cell is
missing. Users' tables may be separated by commas, semicolons or tabs, end lines as any system does, quote cells and
pad them with spaces. They are UTF-8, with a mark or without, UTF-16 with one, or Windows-1252, of which Latin-1 text is
a part. What could be read in two ways is refused, and the cell is named.
"""

import codecs
import csv
import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

import pandas as pd

from faceleak.common.errors import FaceleakError

DELIMITERS = ",;\t"
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
LEGACY = "cp1252"
PUNCTUATION = frozenset("‘’“”–—…·°ºª\xa0")
MAXIMUM_LINE = 1 << 20
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?(nan|inf)|", re.ASCII | re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[-+]?\d+,(\d+)", re.ASCII)
THOUSANDS = 3  # digits
NAMES = (
    *("identity", "image_id", "first", "second", "first_identity", "second_identity"),
    *("attribute", "subgroup", "attack", "variant", "evaluation", "evaluator"),
)

log = logging.getLogger(__name__)
Cells = dict[str, str]


class TextTableError(FaceleakError):
    """A text file is missing, is no such table, or can be read in several ways."""


def read_table(path: Path, *columns: str) -> Iterator[tuple[int, Cells]]:
    """Yield the line of the file and the cells by column, row by row; empty rows are left out.

    columns: those that are needed. The first line names the columns. Raises TextTableError.
    """
    with _opened(path) as file:
        first = next(file, "")
        heads = [_row(first, delimiter) for delimiter in DELIMITERS]
        fitting = [number for number, head in enumerate(heads) if set(columns) <= set(head)]
        if not fitting:
            missing = [name for name in columns if not any(name in head for head in heads)] or columns
            raise TextTableError(
                f"{path} has no column {' and no '.join(missing)}; its first line is {first.rstrip()[:80]!r}. "
                f"That line has to name {','.join(columns)}, separated by commas, semicolons or tabs."
            )
        chosen = max(fitting, key=lambda number: len(heads[number]))
        names = heads[chosen]
        if repeated := sorted({name for name in names if name and names.count(name) > 1}):
            raise TextTableError(f"{path}, row 1: the column {repeated[0]!r} is there twice. Keep one.")
        for number, cells in _rows(file, DELIMITERS[chosen], 1):
            if more := [cell for cell in cells[len(names) :] if cell]:
                raise TextTableError(
                    f"{path}, row {number}: {len(names)} columns are named, and cell {len(names) + 1} is "
                    f"{more[0]!r}. Put a cell that holds the separator into double quotes."
                )
            yield number, dict(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=False))


def read_cells(path: Path) -> list[tuple[int, list[str]]]:
    """The line of the file and the cells of each row that is not empty, of a table without names of columns.

    Empty cells at a row's end are left out. The separator is the one that stands in the first line. Raises
    TextTableError.
    """
    with _opened(path) as file:
        first = next(file, "")
        found = [delimiter for delimiter in DELIMITERS if delimiter in first]
        if len(found) > 1:
            raise TextTableError(f"{path}, row 1: {first.rstrip()[:80]!r} holds several separators. Use tabs alone.")
        delimiter = found[0] if found else "\t"
        rows = [(1, _row(first, delimiter)), *_rows(file, delimiter, 1)]
    return [(number, _without_empty_end(cells)) for number, cells in rows if any(cells)]


def read_lines(path: Path) -> list[str]:
    """The lines, without spaces around them. Raises TextTableError."""
    with _opened(path) as file:
        return [line.strip() for line in file]


def number_in(cell: str, path: Path, row: int, column: str) -> float:
    """The number in a cell, NaN if it is empty; a decimal comma is read. Raises TextTableError."""
    if NUMBER.fullmatch(cell):
        return float(cell or math.nan)
    comma = DECIMAL_COMMA.fullmatch(cell)
    if comma and len(comma[1]) != THOUSANDS:
        return float(cell.replace(",", "."))
    why = "may be thousands or decimals" if comma else "is no number"
    raise TextTableError(f"{path}, row {row}, column {column}: {cell!r} {why}. Write it with a decimal point.")


def slashed(name: str) -> str:
    """A path as Windows writes it, with the slashes of image ids."""
    return name.replace("\\", "/")


def read_results(path: Path) -> pd.DataFrame:
    """A CSV table that a run wrote: names stay text, and only what is empty is missing."""
    table: pd.DataFrame = pd.read_csv(
        path, dtype=dict.fromkeys(NAMES, str), keep_default_na=False, na_values=[""], float_precision="round_trip"
    )
    return table


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Open a text file in its encoding. Raises TextTableError for every problem of reading it."""
    try:
        state = path.stat()
        with path.open(encoding=_encoding(path, state.st_size, state.st_mtime_ns), newline="") as file:
            yield file
    except csv.Error as error:
        raise TextTableError(f"{path} is no table as CSV files hold them ({error}). Save it as one.") from error
    except UnicodeError as error:
        raise TextTableError(f"{path} cannot be read as text ({error}). Save it as UTF-8.") from error
    except OSError as error:
        raise TextTableError(
            f"{path} cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error


def _row(line: str, delimiter: str) -> list[str]:
    return next((cells for _, cells in _rows(iter([line]), delimiter, 0)), [])


def _rows(lines: Iterator[str], delimiter: str, before: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield before + reader.line_num, stripped
    except csv.Error as error:
        raise csv.Error(f"row {before + reader.line_num}: {error}") from error


def _without_empty_end(cells: Sequence[str]) -> list[str]:
    last = max(number for number, cell in enumerate(cells) if cell)
    return list(cells[: last + 1])


@lru_cache(maxsize=64)  # the list of a large set is opened several times
def _encoding(path: Path, _size: int, _changed: int) -> str:
    """The encoding, from the file's mark or, without one, from all its lines."""
    has_utf8, legacy = 0, ""
    with path.open("rb") as file:
        start = file.read(3)
        for mark, encoding in MARKS:
            if start.startswith(mark):
                return encoding
        file.seek(0)
        for number, line in enumerate(iter(lambda: file.readline(MAXIMUM_LINE), b""), 1):
            if (number == 1 and b"\0" in line) or len(line) == MAXIMUM_LINE:
                raise TextTableError(
                    f"{path}, row {number}, is no text, or text in UTF-16 without the mark that says so. Save it as "
                    "UTF-8."
                )
            if line.isascii():
                continue
            try:
                line.decode()
                has_utf8 = has_utf8 or number
            except UnicodeDecodeError as error:
                cell = _legacy_cell(line, error.start, f"{path}, row {number}")
                legacy = legacy or f"row {number}: {cell!r}"
    if legacy and has_utf8:
        raise TextTableError(
            f"{path} mixes encodings: row {has_utf8} is UTF-8, and not so {legacy}. Save the whole as UTF-8."
        )
    if legacy:
        log.warning(
            "%s is not UTF-8 and was read as Windows-1252 (%s). If that is wrong, save it as UTF-8.", path, legacy
        )
    return LEGACY if legacy else "utf-8"


def _legacy_cell(line: bytes, place: int, where: str) -> str:
    """The cell that holds byte `place` of a line that is not UTF-8; raises TextTableError if not plainly LEGACY."""
    text = line.decode(LEGACY, "replace")  # a character a byte
    begin = max(text.rfind(delimiter, 0, place) for delimiter in DELIMITERS) + 1
    cell = re.split(f"[{DELIMITERS}]", text[begin:])[0].strip()
    if any(not (char.isascii() or char.isalpha() or char in PUNCTUATION) for char in text):
        raise TextTableError(
            f"{where}: the cell {cell!r} is not UTF-8, and in which other encoding it is written is not clear. Save "
            "the file as UTF-8."
        )
    return cell
