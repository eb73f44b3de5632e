"""Parquet files with a column of encoded images and one of identities, as face sets on dataset hubs have them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceleak.faces.images import MAXIMUM_BYTES
from faceleak.faces.options import ParquetOptions
from faceleak.faces.sources.source import Loss, SourceError, SourceImage, name_of_system, printable, state_of
from faceleak.work.tasks import fingerprint

if TYPE_CHECKING:
    from pyarrow import DataType
    from pyarrow.parquet import ParquetFile

ROWS_AT_ONCE = 256
READING = 2  # raise it where the same files would give other people


@dataclass(frozen=True)
class ParquetFaces:
    """A Parquet file, or all `*.parquet` in a folder in the order of their names, read batch by batch.

    Other files in the folder and whatever lies in folders below it are counted among the losses.

    The images are bytes, or a struct with a field `bytes`; people are text or whole numbers. A row without a person is
    reported as broken. Raises SourceError if a file is missing, damaged, or
    lacks a column.
    """

    options: ParquetOptions
    states_roles = False

    def fingerprint(self) -> str:
        columns = [self.options.image_column, self.options.identity_column]
        return fingerprint("parquet", READING, columns, [state_of(file) for file in self._files])

    def __len__(self) -> int:
        return sum(self._lengths)

    def read(self, start: int) -> Iterator[SourceImage]:
        for file, length in zip(self._files, self._lengths, strict=True):
            if start < length:
                yield from self._read_file(file, start)
            start = max(0, start - length)

    def losses(self) -> list[Loss]:
        folder, taken = self.options.path, set(self._files)
        others = sorted(path for path in folder.rglob("*") if path.is_file() and path not in taken)
        left_out = [path for path in others if not any(map(name_of_system, path.relative_to(folder).parts))]
        if not left_out:
            return []
        reason = (
            f"Not taken from {folder}, because they are no .parquet files or lie in folders below it: "
            f"{len(left_out):,}, such as {left_out[0].relative_to(folder)}. If they hold images, set "
            "faces.parquet.path to the folder that they are in."
        )
        return [Loss(str(folder), printable(reason), len(left_out))]

    def names(self) -> Iterator[tuple[str, str]]:
        """image_id and identity of each image, in order, without a look at the image."""
        column = self.options.identity_column
        for path in self._files:
            with self._open(path) as file:
                exact, row = _exact_below(file.schema_arrow.field(column).type), 0
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=[column], use_threads=False):
                    for identity in batch.column(column):
                        yield _image_id(path, row), _person(identity.as_py(), exact)[0]
                        row += 1

    @cached_property
    def _files(self) -> list[Path]:
        path = self.options.path
        files = sorted(filter(_is_parquet, path.iterdir())) if path.is_dir() else [path]
        if not files or not files[0].is_file():
            raise SourceError(
                f"There is no Parquet file at {path}. Set faces.parquet.path in parameters_faces.yml to a .parquet "
                "file or a folder with such files."
            )
        return files

    @cached_property
    def _lengths(self) -> list[int]:
        lengths = []
        for path in self._files:
            with self._open(path) as file:
                lengths.append(int(file.metadata.num_rows))
        return lengths

    def _open(self, path: Path) -> "ParquetFile":
        import pyarrow as pa
        from pyarrow import parquet

        try:
            file = parquet.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{path} is not a sound Parquet file ({error}). Copy it again.") from error
        names = file.schema_arrow.names
        for key in ("image_column", "identity_column"):
            if (column := getattr(self.options, key)) not in names:
                raise SourceError(
                    f"{path} has no column {column!r}; it has {', '.join(names)}. Set faces.parquet.{key}."
                )
        image = file.schema_arrow.field(self.options.image_column).type
        if not may_be_images(image):
            raise SourceError(
                f"The column {self.options.image_column!r} of {path} holds {image}, not encoded images (binary, or "
                "a struct with a field `bytes`). Set faces.parquet.image_column."
            )
        person = file.schema_arrow.field(self.options.identity_column).type
        if not may_be_people(person):
            raise SourceError(
                f"The column {self.options.identity_column!r} of {path} holds {person}, not people (text, or whole "
                "numbers). Set faces.parquet.identity_column."
            )
        return file

    def _read_file(self, path: Path, start: int) -> Iterator[SourceImage]:
        import pyarrow as pa

        with self._open(path) as file:
            groups, row = _groups_from(file, start)
            exact = _exact_below(file.schema_arrow.field(self.options.identity_column).type)
            columns = [self.options.image_column, self.options.identity_column]
            batches = file.iter_batches(ROWS_AT_ONCE, groups, columns, use_threads=False)
            try:
                for batch in batches:
                    for image, identity in zip(*(batch.column(name) for name in columns), strict=True):
                        if row >= start:
                            named = (_image_id(path, row), image.as_py(), identity.as_py())
                            yield _image(*named, path.stem, exact)
                        row += 1
            except (pa.ArrowException, OSError) as error:
                raise SourceError(f"{path} is damaged at row {row} ({error}). Copy it again.") from error


def _image_id(path: Path, row: int) -> str:
    return f"{path.stem}/{row:09d}"


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet" and not name_of_system(path.name)


def _groups_from(file: "ParquetFile", start: int) -> tuple[list[int], int]:
    """Row groups that hold the rows from `start` on, and the number of their first row."""
    first = 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if start < first + rows:
            return list(range(group, file.metadata.num_row_groups)), first
        first += rows
    return [], first


def _exact_below(kind: "DataType") -> float:
    """From where on a floating-point column cannot tell neighboring whole numbers apart."""
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    digits = {16: 11, 32: 24, 64: 53}  # of the significand, by width
    return 2.0 ** digits[kind.bit_width] if pa.types.is_floating(kind) else float("inf")


def may_be_images(kind: "DataType") -> bool:
    """Whether a column holds bytes, or a struct with a field `bytes`."""
    import pyarrow as pa

    encoded = kind.field("bytes").type if pa.types.is_struct(kind) and "bytes" in kind.names else kind
    return bool(pa.types.is_binary(encoded) or pa.types.is_large_binary(encoded))


def may_be_people(kind: "DataType") -> bool:
    """Whether a column holds text or numbers; `_person` looks at each of them."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return may_be_people(kind.value_type)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(is_number or is_text or pa.types.is_null(kind))


def _image(image_id: str, image: Any, identity: Any, source: str, exact: float) -> SourceImage:
    content = image.get("bytes") if isinstance(image, dict) else image
    name, problem = _person(identity, exact)
    if not content:
        problem = "The row holds no image."
    elif len(content) > MAXIMUM_BYTES:
        problem = f"The image has more than {MAXIMUM_BYTES:,} bytes."
    return SourceImage(image_id, name, source, b"" if problem or not content else content, problem)


def _person(label: Any, exact: float) -> tuple[str, str]:
    """The name of a label, or what is wrong with it. Numbers with a fraction hold whole ones exactly below `exact`."""
    if label is None or (isinstance(label, float) and math.isnan(label)):  # as joins leave it behind
        return "", "Its label is missing, so nobody knows whose face it is. Name the person or remove the row."
    if isinstance(label, str):
        return label, ""
    if label % 1 != 0:  # infinity too
        return "", f"Its label is {label}; a person is text or a whole number."
    if not isinstance(label, int) and abs(label) >= exact:
        return (
            "",
            f"Its label {label:.0f} is too long for its column, which rounds it. Keep integers or text.",
        )
    return str(int(label)), ""
