"""A trial's values: what evaluators say of a real search, and what it costs."""

from dataclasses import replace

import pytest
from optuna.trial import FixedTrial

from faceleak.backbones.embedding import embed, embed_pixels
from faceleak.faces.splits import with_role
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
from faceleak.tuning.reconstruction.study import OwnTarget, SearchObjective, standard_error, steps_per_face
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
