"""Spaces of searches are checked before any work."""

import pytest
from pydantic import ValidationError

from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions, SearchSpace
from tests.tuning.reconstruction.conftest import DEMO, SEARCH, SPACE, stylegan2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": {"membershp": [1.0]}}, "membershp"),
        ({"objective": {"membership": []}}, "objective.membership has no weights"),
        ({"objective": {"membership": [0.0, 1.0]}}, "give one term weights above 0 only"),
        ({"objective": {"membership": [-1.0]}}, "greater than or equal to 0"),
        ({"steps": [20, 2]}, "steps is 20 to 2"),
        ({"rounds": [0, 2]}, "rounds is 0 to 2; it takes two numbers from 1 on"),
        ({"learning_rate": [0.0, 0.1]}, "learning_rate is 0.0 to 0.1"),
        ({"variation": [0.1, 1.0]}, "variation goes up to 1.0"),
        ({"latent_space": ["v"]}, "w_plus"),
        ({"batch_size": [1, 2]}, "Extra inputs"),
    ],
)
def test_wrong_spaces_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SearchSpace(**(SPACE | changes))


@pytest.mark.parametrize(
    ("space", "search", "prior", "reasons"),
    [
        ({}, {}, DEMO, []),
        ({}, {"steps": 30}, DEMO, ["`steps` does not hold 30"]),
        ({}, {"objective": {"membership": 1.0, "consistency": 3.0}}, DEMO, ["`objective.consistency` lacks 3.0"]),
        ({}, {"objective": {"membership": 1.0, "augmented": 0.5}}, DEMO, ["`objective.augmented` lacks 0.5"]),
        ({}, {"objective": {"consistency": 10.0}}, DEMO, ["`objective.membership` lacks 0.0"]),
        ({"latent_space": ["w"]}, {}, stylegan2("w"), []),
        ({"latent_space": ["w"]}, {}, stylegan2("z"), ["`latent_space` lacks that of the prior, which has 'z'"]),
        ({"latent_space": ["w"]}, {}, DEMO, ["`latent_space` lacks that of the prior, which has one space alone"]),
    ],
)
def test_what_lies_outside_is_told(space: dict, search: dict, prior: PriorOptions, reasons: list[str]) -> None:
    assert SearchSpace(**(SPACE | space)).outside(SEARCH.model_copy(update=search), prior) == reasons


def test_more_selected_than_candidates_are_refused() -> None:
    with pytest.raises(ValidationError, match="only 10 candidates"):
        ReconstructionTuningOptions(candidates=10, selected=11, space=SPACE)
