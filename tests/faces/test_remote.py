import fsspec
import pytest
from kedro.io import DatasetError

from faceleak.faces.demo import DemoFaces
from faceleak.faces.options import DemoOptions
from faceleak.runs.datasets.rooms import FaceStoreDataset

URL = "memory://bucket/faces.arrow"


@pytest.fixture
def bucket():
    """An empty object store in memory."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    return files


@pytest.fixture
def source(compute):
    return DemoFaces(DemoOptions(people=2, images_per_person=2), compute)


def dataset(folder, name) -> FaceStoreDataset:
    return FaceStoreDataset(str(folder / name / "faces.arrow"), URL)


def test_a_store_is_packed_on_one_machine_and_read_on_another(bucket, source, tmp_path):
    dataset(tmp_path, "first").save(source)
    other = dataset(tmp_path, "other")
    other.save(source)  # finds it published, and packs nothing
    assert not (tmp_path / "other").exists()
    assert other.load().manifest().equals(dataset(tmp_path, "first").load().manifest())
    bucket.rm("/bucket/faces.arrow")
    assert len(other.load()) == 4  # not downloaded again


def test_another_store_takes_the_place_of_an_earlier_one(bucket, source, compute, tmp_path):
    dataset(tmp_path, "first").save(source)
    assert len(dataset(tmp_path, "other").load()) == 4
    dataset(tmp_path, "first").save(DemoFaces(DemoOptions(people=3, images_per_person=2), compute))
    assert len(dataset(tmp_path, "other").load()) == 6


def test_what_was_altered_is_found_by_its_hash_and_leaves_nothing(bucket, source, tmp_path):
    dataset(tmp_path, "first").save(source)
    content = bytearray(bucket.cat_file("/bucket/faces.arrow"))
    content[len(content) // 2] ^= 1
    bucket.pipe_file("/bucket/faces.arrow", bytes(content))
    with pytest.raises(DatasetError, match=r"memory://bucket/faces\.arrow has the hash .* altered"):
        dataset(tmp_path, "other").load()
    assert list((tmp_path / "other").iterdir()) == []


def test_no_store_and_no_such_storage_are_clear_errors(bucket, source, tmp_path):
    with pytest.raises(DatasetError, match=r"no store at memory://.*--pipelines=faces"):
        dataset(tmp_path, "first").load()
    with pytest.raises(DatasetError, match=r"nowhere://x cannot be opened"):
        FaceStoreDataset(str(tmp_path / "faces.arrow"), "nowhere://x").load()
