"""Parameters of trials and attacks are two names of one thing; what has to hold before a study begins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.membership.options import AttackOptions
from faceleak.tuning.options import SearchSpace
from faceleak.tuning.space import (
    HeadInSpaceError,
    OutsideSpaceError,
    attack_of,
    check_access,
    check_default,
    parameters_of,
)
from tests.tuning.conftest import DEFAULT, options_of

OPTIONAL = ["bn_distance", "reference_similarity", "embedding_norm"]
SPACE = SearchSpace(
    signals={"always": ["bn_moments"], "optional": OPTIONAL},
    layers=["all", "early", "late"],
    model=["logistic", "mlp"],
    regularization=(1e-3, 1e3),
    calibration=[None, "features", "bavaria"],
)


@given(
    st.sets(st.sampled_from(OPTIONAL)),
    st.sampled_from(["all", "early", "late"]),
    st.floats(1e-3, 1e3),
    st.sampled_from([None, "features", "bavaria"]),
)
def test_an_attack_of_the_space_comes_back_from_its_parameters(taken, layers, regularization, calibration):
    signals = ["bn_moments", *(name for name in OPTIONAL if name in taken)]
    attack = AttackOptions(signals=signals, layers=layers, regularization=regularization, calibration=calibration)
    assert not SPACE.outside(attack)
    assert attack_of(parameters_of(attack, SPACE), SPACE) == attack


def test_a_model_that_reads_no_regularization_keeps_the_default():
    chosen = parameters_of(AttackOptions(signals=["bn_moments"], model="mlp"), SPACE) | {"regularization": 500.0}
    assert attack_of(chosen, SPACE) == AttackOptions(signals=["bn_moments"], model="mlp")


def test_parameters_outside_the_space_are_refused():
    outside = parameters_of(AttackOptions(signals=["bn_moments"]), SPACE) | {"model": "cnn"}
    with pytest.raises(ValueError, match="cnn"):
        attack_of(outside, SPACE)


def test_a_default_that_is_not_searched_is_refused_with_all_reasons() -> None:
    check_default(DEFAULT, options_of())
    other = AttackOptions(signals=["bn_moments"], model="mlp")
    message = (
        r"'norm': `signals\.always` has what it does not read, `signals` lacks what it reads, `model` lacks 'mlp'\."
    )
    with pytest.raises(OutsideSpaceError, match=message):
        check_default(other, options_of())


def test_the_classification_head_is_no_part_of_a_space() -> None:
    check_access(options_of())
    options = options_of()
    signals = options.space.signals.model_copy(update={"optional": ["head_loss"]})
    space = options.space.model_copy(update={"signals": signals})
    with pytest.raises(HeadInSpaceError, match=r"^tuning\.space\.signals has head_loss, which takes the"):
        check_access(options.model_copy(update={"space": space}))
