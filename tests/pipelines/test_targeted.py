import numpy as np
import pandas as pd
import pytest

from faceleak.backbones.embedding import embed
from faceleak.faces.store import FaceStore
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.reconstruction.nodes import embed_people
from faceleak.pipelines.targeted.nodes import (
    choose_person_images,
    measure_person_images,
    search_person_images,
)
from faceleak.reconstruction.arrays import MethodArray
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reconstruction.person_image import METHODS, NoGradientError


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
    )


def test_given_images_are_of_people_unknown_to_the_attacker_and_were_not_trained_on(splits, options) -> None:
    given = choose_person_images(splits, options).merge(splits, left_on="given_image", right_on="image_id")
    assert (given["identity_x"] == given["identity_y"]).all()
    assert not given["known"].any()
    assert set(zip(given["kind"], given["role"], strict=True)) == {
        ("members", "same_identity"),
        ("non_members", "unseen_identity"),
    }
    assert given["identity_x"].is_unique


def test_faces_are_compared_with_the_photos_of_their_own_person(
    demo_store, splits, options, tiny_backbone, compute
) -> None:
    given = choose_person_images(splits, options)
    people = embed_people({"one": tiny_backbone}, demo_store, splits, compute)
    photos = splits[splits["role"] == "member"].groupby("identity")["image_id"].first()
    trained_on = given["identity"].map(photos).fillna(given["given_image"])
    found = {MethodArray(method, "pixels"): _pixels(demo_store, given["given_image"]) for method in METHODS}
    found |= {MethodArray("person_image", "pixels"): _pixels(demo_store, trained_on)}
    found |= {MethodArray("image", "scores"): np.arange(len(given))[::-1]}
    measured = measure_person_images(
        found, given, people, {"one": tiny_backbone}, options, BootstrapOptions(resamples=100), compute
    )["undefended"]["person_image"]
    own = embed(tiny_backbone, demo_store, trained_on[given["kind"] == "members"], compute)
    expected = [_cosines(own[row], people, identity, "member") for row, identity in enumerate(_members(given))]
    assert measured["person_image"]["members"]["likeness"] == pytest.approx(np.mean(expected), abs=1e-4)
    assert measured["gain"]["non_members"]["likeness"] == 0
    gain = measured["person_image"]["members"]["likeness"] - measured["inversion"]["members"]["likeness"]
    assert measured["gain"]["members"]["likeness"] == pytest.approx(gain)
    assert measured["gain"]["member_excess"]["likeness"] == pytest.approx(gain)
    assert measured["person_image"]["members"]["people_ranked"] == 8  # as many members as controls
    assert measured["inversion"]["non_members"]["cmc_at_10"] == 1  # of fewer than ten people
    assert 0 <= measured["inversion"]["member_excess"]["rank_auc"] <= 1
    assert measured["verdict"]["image"]["auc"] == 1.0  # members come first, and have the higher scores


def test_an_attack_without_gradients_is_refused(demo_store, splits, options, tiny_backbone, compute) -> None:
    training = options.evaluators["one"].training
    attack = {"signals": ["bn_moments"], "model": "cnn"}
    membership = MembershipOptions(
        threat_models=["partial_knowledge"],
        attacks={"bn_moments": attack},
        references={"count": 1, "training": training},
    )
    given = choose_person_images(splits, options)
    with pytest.raises(NoGradientError, match="'bn_moments', which has no gradient"):
        search_person_images(tiny_backbone, {}, {}, demo_store, splits, given, options, membership, compute)


def _pixels(store: FaceStore, image_ids: pd.Series) -> np.ndarray:
    return np.stack([store.pixels(position) for position in store.positions(image_ids)])


def _members(given: pd.DataFrame) -> pd.Series:
    return given.loc[given["kind"] == "members", "identity"]


def _cosines(face: np.ndarray, people: pd.DataFrame, identity: str, role: str) -> float:
    shown = np.stack(people[(people["identity"] == identity) & (people["role"] == role)]["embedding"].to_list())
    return float(np.mean(shown @ face / np.linalg.norm(shown, axis=1) / np.linalg.norm(face)))
