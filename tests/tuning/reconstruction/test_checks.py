"""Before a study begins."""

import pytest

from faceleak.reconstruction.options import EvaluatorOptions, ReconstructionOptions
from faceleak.tuning.checks import OutsideSpaceError
from faceleak.tuning.reconstruction.checks import ShadowSearchError, check_search
from faceleak.tuning.reconstruction.options import ReconstructionTuningOptions
from tests.tuning.reconstruction.conftest import SEARCH, SPACE

TUNING = ReconstructionTuningOptions(candidates=20, selected=4, space=SPACE)
JUDGE = EvaluatorOptions(
    training={"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1, "batch_size": 16}
)


def reconstruction(**changes: object) -> ReconstructionOptions:
    search = SEARCH.model_copy(update=changes)
    return ReconstructionOptions(prior="demo", search=search, evaluators={"only": JUDGE})


def test_a_search_that_trials_could_try_passes() -> None:
    check_search(reconstruction(), TUNING)


def test_a_search_outside_the_space_is_refused_with_the_reason() -> None:
    with pytest.raises(OutsideSpaceError, match=r"reconstruction\.search: `steps` does not hold 30\."):
        check_search(reconstruction(steps=30), TUNING)


def test_a_search_that_shadows_guide_is_refused() -> None:
    with pytest.raises(ShadowSearchError, match="threat_model=partial_knowledge"):
        check_search(reconstruction(threat_model="shadow"), TUNING)
