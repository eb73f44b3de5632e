"""Parameters of trials, searches and blocks of the configuration are names of one thing; before a study begins."""

import optuna
import pytest

from faceleak.reconstruction.options import EvaluatorOptions, ReconstructionOptions
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions, SearchSpace
from faceleak.tuning.reconstruction.space import (
    ShadowSearchError,
    block_of,
    check_search,
    parameters_of,
    search_of,
    suggest_search,
    with_block,
)
from faceleak.tuning.space import OutsideSpaceError
from tests.tuning.reconstruction.conftest import DEMO, SEARCH, SPACE, stylegan2

WITH_SPACES = SearchSpace(**SPACE, latent_space=["z", "w_plus"])


def test_what_trials_draw_lies_in_the_space_and_comes_back(space: SearchSpace) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for _ in range(20):
        trial = study.ask()
        search, prior = suggest_search(trial, space, SEARCH, DEMO)
        assert not space.outside(search, prior)
        assert parameters_of(search, prior, space) == trial.params
        assert search_of(trial.params, space, SEARCH, DEMO) == (search, prior)
        assert with_block(block_of(search, prior, space), SEARCH, DEMO) == (search, prior)
        unchanged = {"attack", "threat_model", "candidates", "selected", "images_per_person", "batch_size", "seed"}
        assert search.model_dump(include=unchanged) == SEARCH.model_dump(include=unchanged)


def test_the_latent_space_is_a_parameter_where_the_prior_has_several() -> None:
    chosen = parameters_of(SEARCH, stylegan2("z"), WITH_SPACES) | {"latent_space": "w_plus"}
    search, prior = search_of(chosen, WITH_SPACES, SEARCH, stylegan2("z"))
    assert prior == stylegan2("w_plus")
    block = block_of(search, prior, WITH_SPACES)
    assert block["prior"] == {"stylegan2": {"latent_space": "w_plus"}}
    assert with_block(block, SEARCH, stylegan2("z")) == (search, prior)


def test_a_block_names_terms_that_are_left_out_so_that_it_turns_off_those_of_the_configuration(space) -> None:
    block = block_of(*search_of(parameters_of(SEARCH, DEMO, space), space, SEARCH, DEMO), space)
    assert block["search"]["objective"] == {"membership": 1.0, "consistency": 0.0, "diversity": 0.0}
    assert "prior" not in block


def test_parameters_outside_the_space_are_refused(space: SearchSpace) -> None:
    outside = parameters_of(SEARCH, DEMO, space) | {"objective.diversity": 0.5}
    with pytest.raises(ValueError, match=r"0\.5"):
        search_of(outside, space, SEARCH, DEMO)


TUNING = ReconstructionTuningOptions(candidates=20, selected=4, space=SPACE)
EVALUATOR = EvaluatorOptions(
    training={"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1, "batch_size": 16}
)


def reconstruction(**changes: object) -> ReconstructionOptions:
    search = SEARCH.model_copy(update=changes)
    return ReconstructionOptions(prior="demo", search=search, evaluators={"only": EVALUATOR})


def test_a_search_that_trials_could_try_passes() -> None:
    check_search(reconstruction(), TUNING)


def test_a_search_outside_the_space_is_refused_with_the_reason() -> None:
    with pytest.raises(OutsideSpaceError, match=r"reconstruction\.search: `steps` does not hold 30\."):
        check_search(reconstruction(steps=30), TUNING)


def test_a_search_that_shadows_guide_is_refused() -> None:
    with pytest.raises(ShadowSearchError, match="threat_model=partial_knowledge"):
        check_search(reconstruction(threat_model="shadow"), TUNING)
