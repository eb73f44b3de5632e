"""Parameters of trials and attacks are two names of one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.membership.options import AttackOptions
from faceleak.tuning.options import SearchSpace
from faceleak.tuning.space import attack_of, parameters_of

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
