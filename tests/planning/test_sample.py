from pathlib import Path

import pandas as pd
import pytest

from faceleak.faces.canvas import Canvas
from faceleak.faces.options import FacesOptions
from faceleak.faces.splits import SplitError, split
from faceleak.faces.store import FaceStore
from faceleak.planning.options import PlanError, PlanOptions
from faceleak.planning.sample import IMAGES, PEOPLE, Sample, StatedFaces, sample_faces
from faceleak.work.compute import ComputeOptions

ROLES = {
    "member": {"people": 5},
    "unseen_identity": {"people": 4, "maximum_images": 3},
    "auxiliary": {"people": "all"},
}


def faces(**changed: object) -> FacesOptions:
    demo = {"people": 12, "images_per_person": 6}
    given = {"source": "demo", "demo": demo, "splits": {"roles": ROLES}} | changed
    return FacesOptions.model_validate(given)


@pytest.fixture
def sample(demo_store: FaceStore, compute: ComputeOptions, tmp_path: Path) -> Sample:
    return Sample(*sample_faces(demo_store, faces(), Canvas(32, 32), tmp_path), compute, ["embedding"])


def sizes(splits: pd.DataFrame) -> dict[str, int]:
    return splits.groupby("role").size().to_dict()


def test_splits_of_stated_faces_are_as_large_as_those_of_the_store(demo_store: FaceStore, sample: Sample) -> None:
    options, stated = faces().splits, StatedFaces.of(faces(), PlanOptions(), sample)
    assert len(stated) == len(stated.manifest()) == len(demo_store) == 72
    drawn = sizes(split(stated.manifest(), options))
    assert drawn == sizes(split(demo_store.manifest(), options))
    assert drawn == {"member": 15, "same_identity": 15, "unseen_identity": 12, "auxiliary": 18}


def test_a_source_that_is_not_packed_has_to_be_stated(sample: Sample) -> None:
    unpacked = faces(source="recordio", recordio={"path": "train.rec"})
    with pytest.raises(PlanError, match=r"plan\.people and plan\.images"):
        StatedFaces.of(unpacked, PlanOptions(), sample)
    stated = StatedFaces.of(unpacked, PlanOptions(people=100, images=6800), sample)
    drawn = split(stated.manifest(), unpacked.splits)
    assert sizes(drawn)["member"] == 170
    assert sizes(drawn)["auxiliary"] == 91 * 68


def test_more_people_than_there_are_cannot_be_planned(sample: Sample) -> None:
    few = StatedFaces.of(faces(demo={"people": 8, "images_per_person": 6}), PlanOptions(), sample)
    with pytest.raises(SplitError, match=r"asks for 4 people with at least .* and 3 are left of 8"):
        split(few.manifest(), faces().splits)


@pytest.mark.parametrize("source", ["demo", "recordio"])
def test_without_a_store_a_few_faces_are_drawn(source: str, tmp_path: Path) -> None:
    options = faces(source=source, recordio={"path": "train.rec"})
    store, images = sample_faces(None, options, Canvas(32, 24), tmp_path)
    assert len(store) >= len(images) == IMAGES
    assert images["identity"].nunique() == (12 if source == "demo" else PEOPLE)
