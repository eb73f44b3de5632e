import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.membership.options import AttackOptions, SweepOptions
from faceleak.membership.sweep import Cell, cells, score_cell, split_cell, training_of
from tests.membership.conftest import manifest_of

SPLITS = SplitOptions(roles={"member": RoleOptions(people=30), "unseen_identity": RoleOptions(people=20)})
TRAINING = TrainingOptions(architecture="iresnet_tiny", epochs=3, batch_size=8)


def test_all_combinations():
    options = SweepOptions(
        people=[2, 4],
        images_per_person=[1, 3],
        attack="bn_moments",
        training_set={"people": 9, "images_per_person": 9},
    )
    assert cells(options) == [Cell(2, 1), Cell(2, 3), Cell(4, 1), Cell(4, 3)]


@given(st.integers(2, 30), st.integers(1, 6))
@pytest.mark.slow
def test_a_cell_has_so_many_people_with_so_many_training_images(people, images):
    splits = split_cell(manifest_of(60, 8), Cell(people, images), SPLITS)
    members = splits[splits["role"] == "member"]
    assert members["identity"].nunique() == people
    assert (members.groupby("identity").size() == images).all()
    assert (splits[splits["role"] == "same_identity"].groupby("identity").size() == 2).all()
    assert splits.loc[splits["role"] == "unseen_identity", "identity"].nunique() == 20
    assert set(with_role(splits, *EVALUATED_ROLES)["image_id"]) == set(splits["image_id"])


@pytest.mark.parametrize(("people", "steps", "epochs"), [(100, 10, 3), (4, 10, 10), (1, 7, 7), (100, 0, 3)])
def test_small_sets_are_trained_for_more_epochs(people, steps, epochs):
    assert training_of(Cell(people, 2), TRAINING, steps).epochs == epochs


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.5), (8.0, 1.0)])
def test_the_scores_of_signals_that_tell_nothing_or_all(shift, expected):
    splits = split_cell(manifest_of(60, 8), Cell(30, 5), SPLITS)
    values = np.random.default_rng(0).normal(size=len(splits)) + shift * (splits["role"] == "member")
    signals = pd.DataFrame({"image_id": splits["image_id"], "bn_distance.bn1": values})
    scores = score_cell(signals, splits, AttackOptions(signals=["bn_distance"]))
    assert not scores["identity"].isin(splits.loc[splits["known"], "identity"]).any()
    assert roc_auc_score(scores["is_member"], scores["score"]) == pytest.approx(expected, abs=0.1)
