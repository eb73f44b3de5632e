import pytest
from pydantic import ValidationError

from faceleak.defenses import registry
from faceleak.defenses.options import FORMER, DefenseOptions, VariantOptions

NOISE = {"defense": "bn_perturbation", "strength": 0.4}


@pytest.mark.parametrize(
    ("strength", "name"), [(0, "bn_perturbation_0"), (0.4, "bn_perturbation_0.4"), (2.0, "bn_perturbation_2")]
)
def test_a_variant_is_named_by_defense_and_strength(strength, name):
    assert VariantOptions(defense="bn_perturbation", strength=strength).name == name


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ({"defense": "bn_perturbation", "strength": 0.4, "noise": "laplace"}, "bn_perturbation_0.4_noise_laplace"),
        ({"defense": "bn_release", "epsilon": 8}, "bn_release_epsilon_8"),
        ({"defense": "bn_folding"}, "bn_folding"),
        ({"defense": "retraining", "epochs": 3, "normalization": "group"}, "retraining_epochs_3_normalization_group"),
        ({"defense": "bn_folding", "name": "folded"}, "folded"),
    ],
)
def test_settings_that_differ_from_their_defaults_are_part_of_the_name(block, name):
    assert VariantOptions(**block).name == name


def test_two_variants_of_one_name_are_refused():
    with pytest.raises(ValidationError, match=r"variants occur twice: bn_perturbation_0\.4;"):
        DefenseOptions(variants=[NOISE, NOISE | {"strength": 0.8}, NOISE | {"seed": 1}], attackers=["static"])


@pytest.mark.parametrize("former", FORMER)
def test_a_former_defense_is_none_now(former):
    assert former not in registry.names()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"variants": []}, "variants"),
        ({"attackers": []}, "attackers"),
        ({"attackers": ["lazy"]}, "refitted"),
        ({"bypass_images": 1}, "bypass_images"),
        ({"variants": [NOISE | {"strength": -0.1}]}, "strength"),
        ({"variants": [NOISE | {"strength": float("inf")}]}, "strength"),
        ({"variants": [NOISE | {"strength": float("nan")}]}, "strength"),
        ({"variants": [NOISE | {"defense": "bn_pertubation"}]}, "Did you mean 'bn_perturbation'"),
        ({"variants": [NOISE | {"sigma": 1}]}, "sigma"),
        (
            {"variants": [{"defense": "group_norm", "epochs": 1}]},
            "write `defense: retraining` with `normalization: group`",
        ),
        (
            {"variants": [{"defense": "bn_shrinkage", "share": 0.5}]},
            "`kind: shrinkage` and `share`, and `name` beside it",
        ),
    ],
)
def test_what_means_nothing_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        DefenseOptions(**({"variants": [NOISE], "attackers": ["static"]} | wrong))
