"""What stands beside a search, and who is meant by it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.head import Head
from faceleak.membership.attackers import TARGET_VIEW, AttackerName, Evaluation
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.reconstruction.nodes import (
    embed_people,
    embed_reconstructions,
    measure_reconstruction,
    members_of,
    tasks_beside,
)
from faceleak.reconstruction.arrays import INTENDED, ReconstructionArray
from faceleak.reconstruction.options import ReconstructionOptions


@pytest.fixture
def splits(demo_splits: pd.DataFrame) -> pd.DataFrame:
    """The auxiliary people are public ones here."""
    return demo_splits.assign(role=demo_splits["role"].replace("auxiliary", "public"))


@pytest.fixture
def options() -> ReconstructionOptions:
    training = {"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1, "batch_size": 16}
    return ReconstructionOptions(
        prior="demo",
        search={"attack": "bn_moments", "candidates": 2, "selected": 1, "steps": 1},
        evaluators={"one": {"training": training}},
        far=0.05,
        ceiling={"people": 3},
        head_given={"people": 2},
    )


def searched(backbone: Backbone, attacker: AttackerName) -> dict:
    return {Evaluation(attacker, TARGET_VIEW, TARGET_VIEW): SimpleNamespace(scorer=SimpleNamespace(backbone=backbone))}


def test_a_ceiling_stands_beside_every_search_centers_and_the_head_where_they_are_there_and_no_defense_is_judged(
    tiny_backbone, demo_store, splits, options, compute
) -> None:
    def steps(attacker: AttackerName) -> set[str]:
        (found,) = tasks_beside(searched(tiny_backbone, attacker), demo_store, splits, options, compute).values()
        return set(found)

    assert steps("plain") == {"ceiling", "class_centers"}
    members = members_of(splits)
    tiny_backbone.head = Head(torch.eye(16)[:6], ("nobody", *members), 16.0)
    assert steps("plain") == {"ceiling", "class_centers", "head_given"}
    assert steps("adaptive") == {"ceiling"}
    tiny_backbone.head = Head(torch.eye(16)[:1], ("nobody",), 16.0)
    assert steps("plain") == {"ceiling", "class_centers"}
    options = options.model_copy(update={"class_centers": None})
    assert steps("plain") == {"ceiling"}


def test_faces_are_meant_to_show_the_people_of_their_photos_and_rows(
    tiny_backbone, demo_store, splits, options, compute
) -> None:
    members = members_of(splits)
    tiny_backbone.head = Head(torch.eye(16)[:6], ("nobody", *members[::-1]), 16.0)
    (found,) = tasks_beside(searched(tiny_backbone, "plain"), demo_store, splits, options, compute).values()
    ceiling, head_given = found["ceiling"], found["head_given"]
    assert ceiling.intended.tolist() == [0, 2, 4]
    assert set(ceiling.images["role"]) == {"same_identity"}
    assert ceiling.images["identity"].tolist() == members[[0, 2, 4]].tolist()
    assert head_given.intended.tolist() == [0, 4]
    assert torch.equal(head_given.rows, torch.eye(16)[[5, 1]])


def test_photos_of_the_people_who_are_meant_rank_first_and_steps_that_mean_nobody_have_no_rank(
    tiny_backbone, demo_store, splits, options, compute
) -> None:
    people = embed_people({"one": tiny_backbone}, demo_store, splits, compute)
    members = members_of(splits)
    shown = splits[splits["role"] == "same_identity"].drop_duplicates("identity").sort_values("identity")
    pixels = np.stack([demo_store.pixels(place) for place in demo_store.positions(shown["image_id"])])
    found = {ReconstructionArray("undefended", "plain", step, "pixels"): pixels for step in ("optimized", "ceiling")}
    found[ReconstructionArray("undefended", "plain", "ceiling", INTENDED)] = np.arange(len(members))
    embeddings = embed_reconstructions(found, {"one": tiny_backbone}, compute)
    bootstrap = BootstrapOptions(resamples=100)
    measured = measure_reconstruction(found, embeddings, people, options, bootstrap)["undefended"]["reconstruction"]
    (steps,) = measured.values()
    assert list(steps) == ["optimized", "ceiling"]
    assert "median_rank" not in steps["optimized"]
    assert steps["ceiling"]["median_rank"] <= 2
    assert steps["ceiling"]["people_ranked"] == 8
    assert steps["ceiling"]["member_match_rate"] == steps["optimized"]["member_match_rate"]
