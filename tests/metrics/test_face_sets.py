import numpy as np
import pandas as pd
import pytest

from faceleak.metrics import face_sets
from faceleak.metrics.face_sets import measure_kid, photograph_sets
from faceleak.metrics.options import BootstrapOptions

OPTIONS = BootstrapOptions(resamples=100)
CENTRES = {"same_identity": 0.0, "unseen_identity": 1.5, "member": 9.0, "public": -1.5}


def draw(seed: int, centre: float, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, 8)) + centre * np.eye(8)[0]


@pytest.fixture
def people() -> pd.DataFrame:
    """Twenty people a role, three images each, around a centre of the role's own."""
    tables = []
    for seed, (role, centre) in enumerate(CENTRES.items()):
        persons = draw(seed, centre, 20).repeat(3, axis=0)
        images = persons + 0.1 * draw(seed + 10, 0, 60)
        names = [f"{role}_{place // 3}" for place in range(60)]
        tables.append(pd.DataFrame({"identity": names, "role": role, "embedding": list(images)}))
    return pd.concat(tables, ignore_index=True)


def test_faces_are_near_to_the_people_whom_they_are_like(people: pd.DataFrame) -> None:
    sets = photograph_sets(people, OPTIONS)
    assert list(sets) == ["members", "controls", "public"]
    found = measure_kid(7 * draw(50, 0.0, 60), sets)  # the length of an embedding says nothing
    assert set(found) == {f"kid_to_{kind}{end}" for kind in sets for end in ("", "_ci_low", "_ci_high")}
    assert found["kid_to_members_ci_low"] < 0 < found["kid_to_members_ci_high"]
    assert found["kid_to_controls_ci_low"] > 0
    assert found["kid_to_public_ci_low"] > 0
    like_controls = measure_kid(draw(51, 1.5, 60), sets)
    assert like_controls["kid_to_controls"] < like_controls["kid_to_members"]


def test_a_search_that_ends_in_one_face_is_far_from_the_people(people: pd.DataFrame) -> None:
    sets = photograph_sets(people, OPTIONS)
    one_face = draw(50, 0.0, 1).repeat(60, axis=0) + 0.01 * draw(51, 0, 60)
    assert measure_kid(one_face, sets)["kid_to_members_ci_low"] > 0.3


def test_large_sets_are_thinned_evenly_and_small_ones_left_out(people: pd.DataFrame, monkeypatch) -> None:
    monkeypatch.setattr(face_sets, "LARGEST", 20)
    few = people[(people["role"] != "public") | people["identity"].isin(["public_0", "public_1", "public_2"])]
    sets = photograph_sets(few.sample(frac=1, random_state=0), OPTIONS)
    assert list(sets) == ["members", "controls"]
    assert sets["members"].features.shape == (20, 8)
    assert len(np.unique(sets["members"]._side.people)) >= 18
    assert measure_kid(draw(0, 0, 3), sets) == {}
