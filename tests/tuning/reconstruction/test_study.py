"""A trial's values: what evaluators say of a real search, and what it costs."""

from dataclasses import replace

import pandas as pd
import pytest
from optuna.trial import FixedTrial

from faceleak.backbones.embedding import embed, embed_pixels
from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import split, with_role
from faceleak.membership.inputs import IdentityOverlapError, known_images
from faceleak.membership.options import ReferenceOptions
from faceleak.membership.references import split_references
from faceleak.metrics.identity_match import measure_match
from faceleak.metrics.intervals import Interval
from faceleak.metrics.matcher import make_matcher
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction import search as searching
from faceleak.reconstruction.objectives.objective import Objective
from faceleak.reconstruction.optimizers import adam
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.scorer import Scorer
from faceleak.tuning.reconstruction.space import parameters_of
from faceleak.tuning.reconstruction.study import OwnTarget, SearchObjective, own_people, standard_error, steps_per_face
from tests.reconstruction.conftest import tiny_attack  # noqa: F401
from tests.tuning.reconstruction.conftest import DEMO, SEARCH

SMALL = SEARCH.model_copy(update={"candidates": 12, "selected": 4, "rounds": 2, "steps": 2, "images_per_person": 1})


@pytest.fixture
def own_target(tiny_backbone, tiny_attack, demo_store, demo_splits, compute) -> OwnTarget:  # noqa: F811
    people = with_role(demo_splits, "same_identity", "unseen_identity", "auxiliary")
    people = people.assign(role=people["role"].replace({"auxiliary": "public"}))
    people["embedding"] = list(embed(tiny_backbone, demo_store, people["image_id"], compute))
    matchers = {"only": make_matcher(people, 0.2)}
    scorer = Scorer(tiny_backbone, ("bn_distance",), tiny_attack)
    return OwnTarget(scorer, {"only": tiny_backbone}, matchers, BootstrapOptions(resamples=100), compute)


def test_a_trial_is_worth_what_judges_say_of_the_optimized_faces(own_target: OwnTarget, space, compute) -> None:
    trial = FixedTrial(parameters_of(SMALL, DEMO, space))
    advantage, steps = SearchObjective(own_target, space, SMALL, DEMO)(trial)
    objective = Objective(own_target.scorer, {"membership": 1.0})
    import torch

    device = torch.device("cpu")
    found = searching.reconstruct(load_prior(DEMO, device), objective, SMALL, device)["optimized"]
    embeddings = embed_pixels(own_target.evaluators["only"], found.pixels, compute)
    measured = measure_match([embeddings], [own_target.matchers["only"]], own_target.bootstrap)
    assert advantage == measured["match_advantage"]
    assert steps == steps_per_face(SMALL) == 2 * (8 + 4) / 4
    assert trial.user_attrs["distinct_members"] == measured["distinct_members"]
    assert trial.user_attrs["own_advantage_error"] > 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"rounds": 1}, marks=pytest.mark.slow),
        pytest.param({"rounds": 4}, marks=pytest.mark.slow),
        {"rounds": 3, "candidates": 10},
        pytest.param({"steps": 0}, marks=pytest.mark.slow),
        {"objective": {"membership": 1.0, "consistency": 10.0}},
    ],
)
def test_steps_are_counted_as_the_search_takes_them(own_target, monkeypatch, changes: dict) -> None:
    taken, gradient = [], adam.gradient

    def counted(prior, maximized, latents, noise, *arguments):
        taken.append(len(noise))
        return gradient(prior, maximized, latents, noise, *arguments)

    monkeypatch.setattr(adam, "gradient", counted)
    search = SMALL.model_copy(update={"steps": 1} | changes)
    replace(own_target).measure(search, DEMO)
    assert steps_per_face(search) == sum(taken) / search.selected


def test_the_standard_error_is_that_of_a_normal_interval() -> None:
    interval = Interval(0.3, 0.3 - 1.96 * 0.05, 0.3 + 1.96 * 0.05).named("match_advantage")
    assert standard_error(interval, "match_advantage", 0.95) == pytest.approx(0.05, rel=1e-4)


@pytest.fixture(scope="module")
def splits() -> pd.DataFrame:
    people = [f"p{person:02}" for person in range(30)]
    rows = [(f"{person}_{image}", person, f"{image}") for person in people for image in range(8)]
    manifest = pd.DataFrame(rows, columns=["image_id", "identity", "sha256"])
    shares = {"member": 8, "unseen_identity": 6, "auxiliary": 12, "public": 4}
    return split(manifest, SplitOptions(roles={role: RoleOptions(people=count) for role, count in shares.items()}))


@pytest.fixture(scope="module")
def reference_splits(splits: pd.DataFrame) -> pd.DataFrame:
    training = {"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1}
    return split_references(splits, ReferenceOptions(count=2, training=training))


def test_members_are_those_of_the_reference_and_half_of_each_kind_is_known(splits, reference_splits) -> None:
    own = own_people(splits, reference_splits, "reference_1")
    of_reference = reference_splits[reference_splits["reference"] == "reference_1"]
    trained_on = of_reference.loc[of_reference["is_member"], "image_id"]
    assert set(own.loc[own["role"] == "member", "image_id"]) == set(trained_on)
    people = own.groupby("role")["identity"].nunique().to_dict()
    assert people == {"member": 6, "same_identity": 6, "unseen_identity": 6, "public": 4}
    known = known_images(own)
    assert known.groupby("is_member")["identity"].nunique().to_dict() == {True: 3, False: 6}
    assert own.groupby(["identity", "role"]).size().xs("unseen_identity", level="role").unique().tolist() == [4]


def test_nobody_by_whom_the_target_is_judged_is_among_them(splits, reference_splits) -> None:
    own = own_people(splits, reference_splits, "reference_0")
    judged = splits.loc[splits["role"].isin(["member", "same_identity", "unseen_identity"]), "identity"]
    assert not set(own["identity"]) & set(judged)
    mixed = reference_splits.assign(identity=reference_splits["identity"].replace({own["identity"][0]: judged.iloc[0]}))
    with pytest.raises(IdentityOverlapError):
        own_people(splits, mixed, "reference_0")
