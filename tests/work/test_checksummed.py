"""What faceleak keeps between runs: altered behind its back, of an earlier version, of a newer one."""

import json
import struct

import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow import parquet
from safetensors.numpy import save_file

from faceleak.work.checksummed import (
    METADATA_KEY,
    VERSION_KEY,
    SealError,
    load_arrays,
    load_more,
    load_table,
    load_tree,
    save_arrays,
    save_table,
    save_tree,
)

TREE = {"auc": 0.123456, "names": ["a"], "none": None}
TABLE = pd.DataFrame({"image_id": ["x", "y"], "value": np.array([0.5, 123.456], np.float32)})
ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros((0, 2), np.uint8), "c": np.array(7)}


def load_numpy(path):
    return load_arrays(path, "numpy")


KINDS = {
    "tree.json": (save_tree, load_tree, TREE, (b"0.123456", b"0.123457")),
    "table.parquet": (save_table, load_table, TABLE, (struct.pack("<f", 123.456), struct.pack("<f", 923.456))),
    "arrays.safetensors": (save_arrays, load_numpy, ARRAYS, (struct.pack("<d", 5), struct.pack("<d", 6))),
}


@pytest.fixture(params=KINDS)
def kept(request, tmp_path):
    save, load, content, alteration = KINDS[request.param]
    path = tmp_path / request.param
    save(path, content)
    return path, load, content, alteration


def test_what_is_kept_is_read_again(kept):
    path, load, content, _ = kept
    read = load(path)
    if isinstance(content, pd.DataFrame):
        pd.testing.assert_frame_equal(read, content)
    elif path.suffix == ".safetensors":
        assert read.keys() == content.keys()
        for name, array in content.items():
            np.testing.assert_array_equal(read[name], array)
    else:
        assert read == content


def test_a_number_altered_behind_our_back_is_found(kept):
    path, load, _, (before, after) = kept
    written = path.read_bytes()
    assert written.count(before) >= 1
    path.write_bytes(written.replace(before, after))
    with pytest.raises(
        SealError, match=rf"{path.name} is damaged or was altered .*Delete .*{path.name} and run the sa"
    ):
        load(path)


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"words " * 30])
def test_a_damaged_file_is_named_with_what_to_do(kept, spoil):
    path, load, *_ = kept
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(SealError, match=rf"{path.name} is damaged .*Delete .* run the same command again"):
        load(path)


def test_a_deleted_file_is_named(kept):
    path, load, *_ = kept
    path.unlink()
    with pytest.raises(SealError, match=rf"{path.name} is missing. Run the pipeline that makes it"):
        load(path)


def as_version(path, version):
    if path.suffix == ".json":
        path.write_text(json.dumps({**json.loads(path.read_text()), VERSION_KEY: version}))
    elif path.suffix == ".parquet":
        table = parquet.read_table(path)
        metadata = {**table.schema.metadata, VERSION_KEY.encode(): str(version)}
        parquet.write_table(table.replace_schema_metadata(metadata), path)
    else:
        save_file(ARRAYS, path, {METADATA_KEY: json.dumps({VERSION_KEY: version})})


def test_a_newer_version_is_told(kept):
    path, load, *_ = kept
    as_version(path, 2)
    with pytest.raises(SealError, match=r"format version 2, this faceleak reads versions up to 1. Update faceleak"):
        load(path)


@pytest.mark.parametrize("version", ["words", [1], -1])
def test_what_is_no_version_is_told(tmp_path, version):
    save_tree(tmp_path / "tree.json", TREE)
    as_version(tmp_path / "tree.json", version)
    with pytest.raises(SealError, match="format version"):
        load_tree(tmp_path / "tree.json")


def test_files_from_before_there_were_versions_are_read(tmp_path):
    (tmp_path / "tree.json").write_text(json.dumps(TREE))
    TABLE.to_parquet(tmp_path / "table.parquet")
    save_file(ARRAYS, tmp_path / "arrays.safetensors", {"scale": "64.0"})
    assert load_tree(tmp_path / "tree.json") == TREE
    pd.testing.assert_frame_equal(load_table(tmp_path / "table.parquet"), TABLE)
    assert load_numpy(tmp_path / "arrays.safetensors")["c"] == 7
    assert load_more(tmp_path / "arrays.safetensors") == {"scale": "64.0"}


def test_tensors_and_arrays_of_the_same_values_are_checksummed_alike(tmp_path):
    arrays = {"a": np.arange(4, dtype=np.float32).reshape(2, 2)}
    save_arrays(tmp_path / "numpy.safetensors", arrays)
    tensors = {"a": torch.arange(4.0).reshape(2, 2).t().contiguous().t()}  # the same values, not in order
    save_arrays(tmp_path / "torch.safetensors", tensors, {"names": ["x"]})
    assert torch.equal(load_arrays(tmp_path / "numpy.safetensors", "pt")["a"], tensors["a"])
    np.testing.assert_array_equal(load_arrays(tmp_path / "torch.safetensors", "numpy")["a"], arrays["a"])
    assert load_more(tmp_path / "torch.safetensors") == {"names": ["x"]}


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name, (save, _, content, _) in KINDS.items():
        for folder in ("first", "second"):
            (tmp_path / folder).mkdir(exist_ok=True)
            save(tmp_path / folder / name, content)
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
