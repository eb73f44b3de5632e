"""The configuration in `conf/` is valid in every environment, and wrong values are named."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader

from faceleak.configuration import ConfigurationError, check_parameters
from faceleak.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[1]


def parameters(env: str) -> dict[str, Any]:
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)
    return dict(loader["parameters"])


@pytest.mark.parametrize("env", ["base", "smoke", "lfw"])
def test_every_environment_is_valid(env: str) -> None:
    checked = check_parameters(parameters(env))
    assert checked.reconstruction.search.attack in checked.membership.attacks


def test_all_problems_are_named_at_once_with_key_value_and_what_is_allowed() -> None:
    wrong = deepcopy(parameters("base"))
    wrong["bootstrap"]["resample"] = 5
    wrong["compute"]["device"] = "gpu"
    wrong["defense"]["variants"][0]["strength"] = -1
    del wrong["faces"]["splits"]["roles"]["unseen_identity"]
    with pytest.raises(ConfigurationError) as raised:
        check_parameters(wrong)
    message = str(raised.value)
    assert "bootstrap.resample: unknown key (value 5)" in message
    assert "compute.device: 'gpu' is not allowed" in message
    assert "strength: Input should be greater than or equal to 0 (got -1); its settings are strength, noise" in message
    assert "roles needs at least `member` and `unseen_identity`" in message


def test_a_source_without_its_block_is_refused() -> None:
    wrong = deepcopy(parameters("base"))
    wrong["target"]["source"] = "load"
    with pytest.raises(ConfigurationError, match="no block `load`"):
        check_parameters(wrong)


def test_reconstruction_by_an_attack_that_is_not_configured_is_refused() -> None:
    wrong = deepcopy(parameters("base"))
    wrong["reconstruction"]["search"]["attack"] = "bn_distanse"
    with pytest.raises(ConfigurationError, match="bn_distanse"):
        check_parameters(wrong)


@pytest.mark.parametrize(
    ("attack", "changes"),
    [
        ("reference_similarity", {}),
        ("fused", {}),
        ("bn_moments", {"model": "quantile", "score": "bn_moments.x"}),
        ("bn_moments", {"calibration": "lira"}),
    ],
)
def test_reconstruction_by_an_attack_without_gradients_is_refused(attack: str, changes: dict[str, Any]) -> None:
    wrong = deepcopy(parameters("base"))
    wrong["membership"]["attacks"][attack] |= changes
    wrong["reconstruction"]["search"]["attack"] = attack
    with pytest.raises(ConfigurationError, match=rf"attack is '{attack}', but stage 2 climbs a `logistic` or `mlp`"):
        check_parameters(wrong)


def test_reconstruction_by_a_calibrated_attack_takes_people_that_references_never_saw() -> None:
    right = deepcopy(parameters("base"))
    right["membership"]["attacks"]["bn_moments"] |= {"model": "mlp", "calibration": "features"}
    assert check_parameters(right).reconstruction.search.attack == "bn_moments"
    right["reconstruction"]["search"]["threat_model"] = "shadow"
    with pytest.raises(ConfigurationError, match="which is calibrated, under `shadow`"):
        check_parameters(right)


def test_reconstruction_under_a_threat_model_that_is_not_configured_is_refused() -> None:
    wrong = deepcopy(parameters("base"))
    wrong["membership"] |= {"threat_models": ["partial_knowledge"], "risk": None}
    wrong["reconstruction"]["search"]["threat_model"] = "shadow"
    with pytest.raises(ConfigurationError, match=r"threat_model is 'shadow', but .* has partial_knowledge"):
        check_parameters(wrong)


def test_reconstruction_under_a_threat_model_that_no_variant_is_attacked_under_is_refused() -> None:
    wrong = deepcopy(parameters("base"))
    wrong["reconstruction"]["search"]["threat_model"] = "shadow"
    with pytest.raises(ConfigurationError, match=r"is 'shadow', but defense\.threat_models has partial_knowledge"):
        check_parameters(wrong)


def test_an_unknown_calibration_is_named_with_those_there_are() -> None:
    wrong = deepcopy(parameters("base"))
    wrong["membership"]["attacks"]["fused"]["calibration"] = "feature"
    with pytest.raises(ConfigurationError) as raised:
        check_parameters(wrong)
    expected = (
        "membership.attacks.fused.calibration: 'feature' is not allowed. Input should be 'features', 'difference'"
    )
    assert expected in str(raised.value)


@pytest.mark.parametrize("changes", [{}, {"attackers": ["static"]}])
def test_shadows_may_be_defended(changes: dict[str, Any]) -> None:
    asked = deepcopy(parameters("base"))
    asked["defense"] |= {"threat_models": ["partial_knowledge", "shadow"], **changes}
    assert check_parameters(asked).defense.threat_models == ["partial_knowledge", "shadow"]


def test_too_few_references_for_calibrated_attacks_under_defended_shadows_are_refused() -> None:
    wrong = deepcopy(parameters("base"))
    wrong["membership"] |= {"threat_models": ["partial_knowledge"], "risk": None}
    wrong["membership"]["references"]["count"] = 3
    assert check_parameters(wrong)
    wrong["defense"]["threat_models"] = ["partial_knowledge", "shadow"]
    expected = r"has `shadow`, and membership\.references\.count is 3, but fused, bavaria under `shadow` takes 4"
    with pytest.raises(ConfigurationError, match=expected):
        check_parameters(wrong)


def test_defended_shadows_without_public_faces_to_undo_them_on_are_refused() -> None:
    wrong = deepcopy(parameters("base"))
    del wrong["faces"]["splits"]["roles"]["public"]
    wrong["defense"]["threat_models"] = ["partial_knowledge", "shadow"]
    with pytest.raises(ConfigurationError, match="on faces of the role `public`, and there is no such role"):
        check_parameters(wrong)
    wrong["defense"]["attackers"] = ["refitted"]
    assert check_parameters(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"default": "fussed"}, "tuning.default is 'fussed', but membership.attacks has bn_distance"),
        ({"threat_model": "shadows"}, "tuning.threat_model: 'shadows' is not allowed"),
        ({"trial": 5}, "tuning.trial: unknown key"),
        ({"space": {"model": ["quantile"]}}, "tuning.space.model.0: 'quantile' is not allowed"),
    ],
)
def test_wrong_values_of_tuning_are_refused(changes: dict[str, Any], message: str) -> None:
    wrong = deepcopy(parameters("base"))
    wrong["tuning"] |= changes | {"space": wrong["tuning"]["space"] | changes.get("space", {})}
    with pytest.raises(ConfigurationError) as raised:
        check_parameters(wrong)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trial": 5}, "tuning_reconstruction.trial: unknown key"),
        ({"standard_errors": -1}, "tuning_reconstruction.standard_errors: -1 is not allowed"),
        ({"space": {"objective": {"diversty": [1.0]}}}, "Did you mean 'diversity'?"),
        ({"space": {"rounds": [3, 2]}}, "tuning_reconstruction.space: rounds is 3 to 2"),
    ],
)
def test_wrong_values_of_tuning_reconstruction_are_refused(changes: dict[str, Any], message: str) -> None:
    wrong = deepcopy(parameters("base"))
    given = wrong["tuning_reconstruction"]
    given |= changes | {"space": given["space"] | changes.get("space", {})}
    with pytest.raises(ConfigurationError) as raised:
        check_parameters(wrong)
    assert message in str(raised.value)


def test_tuning_on_shadows_takes_pairs_of_them() -> None:
    wrong = deepcopy(parameters("base"))
    wrong["tuning"]["threat_model"] = "shadow"
    wrong["membership"]["threat_models"] = ["partial_knowledge"]
    wrong["membership"]["risk"] = None
    wrong["reconstruction"]["search"]["threat_model"] = "partial_knowledge"
    wrong["membership"]["references"]["count"] = 3
    with pytest.raises(ConfigurationError, match=r"holds out pairs of references and takes 4"):
        check_parameters(wrong)
