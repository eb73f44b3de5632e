"""Two public backbones from elsewhere do on LFW what their own code does."""

import pytest

from benchmarks import lfw
from faceleak.faces.packing import Packing
from faceleak.faces.sources.folder import FaceFolder
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]


@pytest.fixture(scope="module")
def store(external, tmp_path_factory) -> FaceStore:
    """All faces of LFW's pairs."""
    path = tmp_path_factory.mktemp("lfw") / "faces.arrow"
    Packing(FaceFolder(external / "faces" / "lfw_aligned112")).into(path)
    return FaceStore(path)


@pytest.mark.parametrize("architecture", lfw.PUBLIC)
def test_accuracy_is_that_of_the_repository(architecture, store, compute: ComputeOptions):
    found = lfw.measure(architecture, store, compute)
    assert found["lfw_accuracy"] == pytest.approx(lfw.PUBLIC[architecture][2], abs=lfw.TOLERANCE)
