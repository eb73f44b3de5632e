import pytest
from pydantic import ValidationError

from faceleak.erasure.options import ErasureAttacker, ErasureOptions, MethodOptions

ATTACKERS = {"embeddings": {"signals": ["embedding_norm"]}}


def test_settings_stand_beside_the_method_and_name_it():
    options = MethodOptions(method="gradient_ascent", weight=0.5, seeds=3)
    assert (options.name, options.seeds, options.settings) == ("gradient_ascent", 3, {"weight": 0.5})
    assert options.checked_settings().bound == 8.0
    assert MethodOptions(**options.model_dump()) == options


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"method": "finetunning"}, "finetuning"),
        ({"method": "finetuning", "epochs": 0}, "epochs"),
        ({"method": "finetuning", "strength": 1}, "strength"),
        ({"method": "head_removal", "name": "a/b"}, "cannot be a name"),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(given, told):
    with pytest.raises(ValidationError, match=told):
        MethodOptions(**given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"methods": [{"method": "head_removal"}] * 2}, "methods occur twice: head_removal"),
        ({"gold": "retraining"}, "gold is 'retraining', but methods has head_removal"),
        ({"attackers": {}}, "attackers"),
        ({"erased": {"identities": []}}, "identities"),
        ({"people": 3}, "people"),
    ],
)
def test_what_does_not_fit_together_is_refused(given, told):
    with pytest.raises(ValidationError, match=told):
        ErasureOptions(**{"methods": [{"method": "head_removal"}], "attackers": ATTACKERS, **given})


def test_attackers_do_without_references_and_know_their_bypass():
    with pytest.raises(ValidationError, match="leave it out"):
        ErasureAttacker(signals=["bn_moments"], calibration="features")
    with pytest.raises(ValidationError, match="bn_reestimation"):
        ErasureAttacker(signals=["bn_moments"], bypass="bn_reestimatoin")
