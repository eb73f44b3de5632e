"""Checksummed files: each holds the version of its format, and damage or changes are found when it is read.

Arrays (safetensors) and trees (JSON) carry a SHA-256 of what they hold, tables (Parquet) a checksum a page. Files from
before there were versions have neither and are read as they are.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from faceleak.common.errors import FaceleakError

VERSION = 1
VERSION_KEY, HASH_KEY, CONTENT_KEY = "faceleak_version", "sha256", "content"
METADATA_KEY = "faceleak"


class SealError(FaceleakError):
    """A file is missing, damaged, was altered after it was written, or comes from a newer faceleak."""


def check_version(path: Path, found: Any, known: int, remedy: str) -> None:
    """Raise SealError if `found` is no version up to `known`; None is from before there were versions."""
    if found is None or str(found) in {str(version) for version in range(1, known + 1)}:
        return
    raise SealError(
        f"{path} has format version {found}, this faceleak reads versions up to {known}. Update faceleak. "
        f"Otherwise: {remedy}"
    )


def save_arrays(path: Path, arrays: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> None:
    """Write named numpy arrays, or named tensors, as safetensors. more: plain data to keep with them."""
    described = {VERSION_KEY: VERSION, HASH_KEY: digest_of(arrays), CONTENT_KEY: dict(more or {})}
    checksummed = {
        METADATA_KEY: json.dumps(described, sort_keys=True)
    }  # one key: safetensors writes several in any order
    if any(hasattr(array, "detach") for array in arrays.values()):
        import safetensors.torch

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in arrays.items()}
        safetensors.torch.save_file(tensors, path, checksummed)
    else:
        import safetensors.numpy

        safetensors.numpy.save_file(dict(arrays), path, checksummed)


def load_arrays(path: Path, kind: Literal["numpy", "pt"], delete: Path | None = None) -> dict[str, Any]:
    """Read what `save_arrays` wrote, as numpy arrays or as tensors on the CPU. Raises SealError.

    delete: what has to go if the file is of no use; the file, unless something else is given.
    """
    from safetensors import safe_open

    with _naming_damage(path, delete or path), safe_open(path, kind) as file:
        described = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
    check_version(path, described.get(VERSION_KEY), VERSION, _again(delete or path))
    if described.get(HASH_KEY, digest := digest_of(arrays)) != digest:
        raise _altered(path, "its SHA-256 is another one", delete or path)
    return arrays


def load_more(path: Path) -> dict[str, Any]:
    """Read what `save_arrays` keeps with the arrays of a sound file; of version 0, the file's metadata."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        metadata = file.metadata() or {}
    more: dict[str, Any] = json.loads(metadata[METADATA_KEY])[CONTENT_KEY] if METADATA_KEY in metadata else metadata
    return more


def digest_of(arrays: Mapping[str, Any]) -> str:
    """SHA-256 of names, kinds, shapes and values of numpy arrays or tensors."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {str(array.dtype).removeprefix('torch.')} {tuple(array.shape)}\n".encode())
        digest.update(_bytes_of(array))
    return digest.hexdigest()


def _bytes_of(array: Any) -> Any:
    import numpy as np

    if not hasattr(array, "detach"):
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    import torch

    return array.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def save_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = pa.Table.from_pandas(table)
    rows = rows.replace_schema_metadata({**(rows.schema.metadata or {}), VERSION_KEY: str(VERSION)})
    parquet.write_table(rows, path, write_page_checksum=True)


def load_table(path: Path) -> pd.DataFrame:
    """Read what `save_table` wrote. Raises SealError."""
    from pyarrow import parquet

    with _naming_damage(path, path):
        metadata = parquet.read_schema(path).metadata or {}
    version = metadata.get(VERSION_KEY.encode())
    check_version(path, None if version is None else version.decode(errors="replace"), VERSION, _again(path))
    with _naming_damage(path, path):
        table: pd.DataFrame = pd.read_parquet(path, page_checksum_verification=True)
    return table


def save_tree(path: Path, content: Any) -> None:
    """Write plain data as readable JSON."""
    checksummed = {VERSION_KEY: VERSION, HASH_KEY: _hash_of_tree(content), CONTENT_KEY: content}
    path.write_text(json.dumps(checksummed, indent=2) + "\n")


def load_tree(path: Path) -> Any:
    """Read what `save_tree` wrote. Raises SealError."""
    with _naming_damage(path, path):
        read = json.loads(path.read_text())
    if not isinstance(read, dict) or VERSION_KEY not in read:
        return read
    check_version(path, read[VERSION_KEY], VERSION, _again(path))
    if read.keys() != {VERSION_KEY, HASH_KEY, CONTENT_KEY} or read[HASH_KEY] != _hash_of_tree(read[CONTENT_KEY]):
        raise _altered(path, "its SHA-256 is another one", path)
    return read[CONTENT_KEY]


def _hash_of_tree(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def _naming_damage(path: Path, delete: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        mend = "Run the pipeline that makes it first." if delete == path else _again(delete)
        raise SealError(f"{path} is missing. {mend}") from error
    except Exception as error:  # readers of damaged files raise whatever they stumble on
        raise _altered(path, str(error), delete) from error


def _altered(path: Path, reason: str, delete: Path) -> SealError:
    return SealError(f"{path} is damaged or was altered after it was written ({reason}). {_again(delete)}")


def _again(delete: Path) -> str:
    return f"Delete {delete} and run the same command again: missing files will be rebuilt."
