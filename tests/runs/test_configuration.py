"""The configuration in `conf/` is valid in every environment, and wrong values are named."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader

from faceleak.runs.configuration import CHECKS, ConfigurationError, check_parameters
from faceleak.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[2]


def parameters(env: str) -> dict[str, Any]:
    """A copy of the parameters of an environment."""
    return deepcopy(_loaded(env))


@cache
def _loaded(env: str) -> dict[str, Any]:
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)
    return dict(loader["parameters"])


@pytest.mark.parametrize("env", ["base", "smoke", "lfw", "celeba"])
def test_every_environment_is_valid(env: str) -> None:
    checked = check_parameters(parameters(env))
    assert checked.reconstruction.search.attack in checked.membership.attacks


def test_all_problems_are_named_at_once_with_key_value_and_what_is_allowed() -> None:
    wrong = parameters("base")
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


def test_a_key_that_is_gone_is_refused_with_what_there_is_in_its_place() -> None:
    wrong = parameters("base")
    wrong["reconstruction"]["blind_sheet"] = None
    with pytest.raises(ConfigurationError, match="reconstruction: `blind_sheet` is gone: the evaluators alone say"):
        check_parameters(wrong)


def test_a_key_in_its_former_spelling_is_refused_with_the_present_one() -> None:
    given = parameters("base")
    given["reconstruction"]["search"]["optimiser"] = given["reconstruction"]["search"].pop("optimizer")
    with pytest.raises(ConfigurationError, match="`optimiser` is spelled `optimizer` now"):
        check_parameters(given)


def test_a_source_without_its_block_is_refused() -> None:
    wrong = parameters("base")
    wrong["target"]["source"] = "load"
    with pytest.raises(ConfigurationError, match="no block `load`"):
        check_parameters(wrong)


def test_reconstruction_by_an_attack_that_is_not_configured_is_refused() -> None:
    wrong = parameters("base")
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
    wrong = parameters("base")
    wrong["membership"]["attacks"][attack] |= changes
    wrong["reconstruction"]["search"]["attack"] = attack
    with pytest.raises(ConfigurationError, match=rf"attack is '{attack}', but stage 2 maximizes a `logistic` or `mlp`"):
        check_parameters(wrong)


@pytest.mark.parametrize("changes", [{"calibration": "lira"}, {"model": "cnn"}, {"layers": "late"}])
def test_cma_es_takes_attacks_without_gradients_on_single_images(changes: dict[str, Any]) -> None:
    asked = parameters("base")
    asked["membership"]["attacks"]["bn_moments"] |= changes
    asked["reconstruction"]["search"]["optimizer"] = "cma_es"
    assert check_parameters(asked).reconstruction.search.optimizer == "cma_es"
    asked["reconstruction"]["search"]["attack"] = "fused"
    with pytest.raises(ConfigurationError, match="'fused', but `cma_es` maximizes attacks on signals of single images"):
        check_parameters(asked)


def test_an_unknown_optimizer_is_named_with_those_there_are() -> None:
    wrong = parameters("base")
    wrong["reconstruction"]["search"]["optimizer"] = "cma-es"
    with pytest.raises(ConfigurationError, match=r"no optimizer 'cma-es'\. Did you mean 'cma_es'\?"):
        check_parameters(wrong)


def test_reconstruction_by_a_calibrated_attack_takes_people_that_references_never_saw() -> None:
    right = parameters("base")
    right["membership"]["attacks"]["bn_moments"] |= {"model": "mlp", "calibration": "features"}
    assert check_parameters(right).reconstruction.search.attack == "bn_moments"
    right["reconstruction"]["search"]["threat_model"] = "shadow"
    with pytest.raises(ConfigurationError, match="which is calibrated, under `shadow`"):
        check_parameters(right)


def test_reconstruction_under_a_threat_model_that_is_not_configured_is_refused() -> None:
    wrong = parameters("base")
    wrong["membership"] |= {"threat_models": ["partial_knowledge"], "risk": None}
    wrong["reconstruction"]["search"]["threat_model"] = "shadow"
    with pytest.raises(ConfigurationError, match=r"threat_model is 'shadow', but .* has partial_knowledge"):
        check_parameters(wrong)


def test_reconstruction_under_a_threat_model_that_no_variant_is_attacked_under_is_refused() -> None:
    wrong = parameters("base")
    wrong["reconstruction"]["search"]["threat_model"] = "shadow"
    with pytest.raises(ConfigurationError, match=r"is 'shadow', but defense\.threat_models has partial_knowledge"):
        check_parameters(wrong)


def test_an_unknown_calibration_is_named_with_those_there_are() -> None:
    wrong = parameters("base")
    wrong["membership"]["attacks"]["fused"]["calibration"] = "feature"
    with pytest.raises(ConfigurationError) as raised:
        check_parameters(wrong)
    expected = (
        "membership.attacks.fused.calibration: There is no calibration 'feature'. Did you mean 'features'? "
        "Known: features, bavaria, difference, lira, rmia."
    )
    assert expected in str(raised.value)


@pytest.mark.parametrize("changes", [{}, {"attackers": ["static"]}])
def test_shadows_may_be_defended(changes: dict[str, Any]) -> None:
    asked = parameters("base")
    asked["defense"] |= {"threat_models": ["partial_knowledge", "shadow"], **changes}
    assert check_parameters(asked).defense.threat_models == ["partial_knowledge", "shadow"]


def test_too_few_references_for_calibrated_attacks_under_defended_shadows_are_refused() -> None:
    wrong = parameters("base")
    wrong["membership"] |= {"threat_models": ["partial_knowledge"], "risk": None}
    wrong["membership"]["references"]["count"] = 3
    assert check_parameters(wrong)
    wrong["defense"]["threat_models"] = ["partial_knowledge", "shadow"]
    expected = r"has `shadow`, and membership\.references\.count is 3, but fused, bavaria under `shadow` takes 4"
    with pytest.raises(ConfigurationError, match=expected):
        check_parameters(wrong)


def test_defended_shadows_without_public_faces_to_bypass_them_on_are_refused() -> None:
    wrong = parameters("base")
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
        ({"space": {"model": ["quantile"]}}, "tuning.space.model.0: 'quantile' takes a `score`, and no trial gives"),
    ],
)
def test_wrong_values_of_tuning_are_refused(changes: dict[str, Any], message: str) -> None:
    wrong = parameters("base")
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
    wrong = parameters("base")
    given = wrong["tuning_reconstruction"]
    given |= changes | {"space": given["space"] | changes.get("space", {})}
    with pytest.raises(ConfigurationError) as raised:
        check_parameters(wrong)
    assert message in str(raised.value)


def test_tuning_on_shadows_takes_pairs_of_them() -> None:
    wrong = parameters("base")
    wrong["tuning"]["threat_model"] = "shadow"
    wrong["membership"]["threat_models"] = ["partial_knowledge"]
    wrong["membership"]["risk"] = None
    wrong["reconstruction"]["search"]["threat_model"] = "partial_knowledge"
    wrong["membership"]["references"]["count"] = 3
    with pytest.raises(ConfigurationError, match=r"holds out pairs of references and takes 4"):
        check_parameters(wrong)


@pytest.mark.parametrize(
    ("attack", "threat_models", "allowed"),
    [
        ("bavaria", ["partial_knowledge", "shadow"], True),
        ("fused", ["partial_knowledge", "shadow"], False),
        ("bn_distance", ["partial_knowledge", "shadow"], False),
        ("bavari", ["partial_knowledge", "shadow"], False),
        ("lira", ["partial_knowledge", "shadow"], False),
        ("bavaria_online", ["partial_knowledge", "shadow"], False),
        ("bavaria", ["partial_knowledge"], False),
    ],
)
def test_risk_is_told_by_an_attack_that_bavaria_calibrates(
    attack: str, threat_models: list[str], allowed: bool
) -> None:
    asked = parameters("base")
    asked["membership"]["attacks"] |= {
        "lira": {"signals": ["bn_distance"], "calibration": "lira"},
        "bavaria_online": {"signals": ["bn_distance"], "calibration": "bavaria", "online": True},
    }
    asked["membership"] |= {"threat_models": threat_models, "risk": {"attack": attack, "threat_model": "shadow"}}
    asked["tuning"]["threat_model"] = "partial_knowledge"
    if allowed:
        assert check_parameters(asked, {"record_scores"}).membership.risk
        return
    with pytest.raises(ConfigurationError, match=rf"risk names '{attack}' under 'shadow'; it takes an attack"):
        check_parameters(asked, {"record_scores"})


def test_online_attacks_take_other_targets() -> None:
    asked = deepcopy(parameters("attacks"))
    asked["membership"]["targets"] = 2
    with pytest.raises(ConfigurationError, match=r"targets is 2, but bavaria_online .* raise membership\.targets to 3"):
        check_parameters(asked, {"target_scores"})
    asked["membership"]["targets"] = 3
    assert check_parameters(asked, {"target_scores"})


def test_what_trains_targets_again_is_told_before_any_work_that_the_target_was_loaded() -> None:
    asked = parameters("public-casia")
    assert check_parameters(asked, {"membership_metrics", "reconstructions"})
    for made in ("repeated_targets", "sweep_table"):
        with pytest.raises(ConfigurationError, match=r"target\.source is `load`, but repeats and sweeps train targets"):
            check_parameters(asked, {made})


@pytest.mark.parametrize(("made", "block"), [("record_scores", "risk"), ("sweep_table", "sweep")])
def test_what_a_pipeline_cannot_do_without_is_missed_before_any_work(made: str, block: str) -> None:
    asked = deepcopy(parameters("sweep"))
    asked["membership"][block] = None
    with pytest.raises(ConfigurationError, match=rf"membership\.{block} is missing"):
        check_parameters(asked, {made})
    assert check_parameters(asked, {"membership_metrics"})


def environment(folder: Path, changes: str) -> dict[str, Any]:
    """What an environment that says this makes of base."""
    (folder / "own").mkdir()
    (folder / "own" / "parameters.yml").write_text(changes)
    (folder / "base").symlink_to(PROJECT / "conf" / "base")
    return dict(OmegaConfigLoader(str(folder), env="own", **CONFIG_LOADER_ARGS)["parameters"])


def test_null_takes_an_entry_of_any_mapping_away(tmp_path: Path) -> None:
    asked = environment(
        tmp_path,
        """
membership: {attacks: {bn_distance: null, fused: null}}
reconstruction:
  evaluators: {resembling: null}
  search: {objective: {membership: null, diversity: 1.0}}
faces: {splits: {roles: {public: null}}}
plan: {rates: {reading iresnet_demo 64x64: null}}
defense: {variants: [{defense: dp_training, epsilon: null}]}
""",
    )
    checked = check_parameters(asked, {"membership_metrics", "reconstructions"})
    assert list(checked.membership.attacks) == ["bn_moments", "reference_similarity", "bavaria"]
    assert list(checked.reconstruction.evaluators) == ["first", "second"]
    assert checked.reconstruction.search.objective == {"diversity": 1.0}
    assert "public" not in checked.faces.splits.roles
    assert checked.plan.rates == {}
    assert checked.defense.variants[0].settings == {"epsilon": None}  # of a setting, null is a value


def test_null_is_a_value_where_an_entry_may_have_it() -> None:
    asked = deepcopy(parameters("public-casia"))
    asked["target"]["load"] |= {"architecture": None, "factory": "torch.nn:Linear", "arguments": {"device": None}}
    load = check_parameters(asked, ()).target.load
    assert load is not None
    assert load.arguments == {"device": None}


def test_what_a_run_does_not_use_is_not_checked_against_what_it_does_not_have(tmp_path: Path) -> None:
    asked = environment(tmp_path, "membership: {attacks: {bn_moments: null, bavaria: null, fused: null}}")
    assert check_parameters(asked, {"membership_metrics", "utility_metrics"})
    expected = {
        "reconstructions": r"reconstruction\.search\.attack is 'bn_moments'",
        "tuned_attack": r"tuning\.default is 'fused'",
        "record_scores": r"membership\.risk names 'bavaria'",
    }
    for made, message in expected.items():
        with pytest.raises(ConfigurationError, match=message):
            check_parameters(asked, {"membership_metrics", made})


def test_every_check_is_of_something_that_a_pipeline_makes() -> None:
    from kedro.framework.project import configure_project, pipelines

    configure_project("faceleak")
    made = set().union(*(pipeline.all_outputs() for pipeline in pipelines.values()))
    assert CHECKS
    for check in CHECKS:
        assert set(check.made) <= made


def renamed(old: str, new: str, *path: str) -> dict[str, Any]:
    """The configuration in which an entry of a block has another name."""
    wrong = parameters("base")
    block = wrong
    for key in path:
        block = block[key]
    block[new] = block.pop(old)
    return wrong


@pytest.mark.parametrize(
    "name", ["bn_distance (late)", "owner's choice", "a/b", "a+b", "..", "", " a", "a.", "x" * 101]
)
def test_names_that_break_metrics_or_files_are_refused_where_they_are_given(name: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "membership.attacks": renamed("bn_distance", name, "membership", "attacks"),
        "reconstruction.evaluators": renamed("first", name, "reconstruction", "evaluators"),
    }
    variants = parameters("base")
    variants["defense"]["variants"][0]["name"] = name
    if name:
        given["defense.variants.0"] = variants
    sources = parameters("base")
    sources["faces"]["several"] = {name: {"source": "folder", "folder": {"path": "people"}}}
    given["faces.several"] = sources
    for key, wrong in given.items():
        with pytest.raises(ConfigurationError) as raised:
            check_parameters(wrong)
        assert f"  {key}" in str(raised.value)
        assert f"{name!r} cannot be a name" in str(raised.value)
        assert "letters, digits, `_`, `-`, and inside also `.` and spaces, 100 bytes at most" in str(raised.value)


@pytest.mark.parametrize("name", ["späte Schichten", "bn.late-2", "変種", "0_8"])
def test_names_that_break_nothing_are_taken(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    checked = check_parameters(renamed("bn_distance", name, "membership", "attacks"))
    assert name in checked.membership.attacks
    _validate_metric_name(f"membership/{name}_shadow/identity/auc")
    _validate_param_name(f"membership.attacks.{name}.model")


@pytest.mark.parametrize("name", ["undefended", "noise_static", "noise_adaptive"])
def test_names_of_variants_that_would_be_read_as_attackers_are_refused(name: str) -> None:
    wrong = parameters("base")
    wrong["defense"]["variants"][0]["name"] = name
    with pytest.raises(ConfigurationError, match=f"defense.variants.0: '{name}' cannot be the name of a variant"):
        check_parameters(wrong)


@pytest.mark.parametrize("name", ["blind", "blind_guess"])
def test_no_attack_is_called_as_the_blind_baseline(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}' cannot be the name of an attack"):
        check_parameters(renamed("bn_distance", name, "membership", "attacks"))
    assert check_parameters(renamed("bn_distance", "blindfolded", "membership", "attacks"))


def test_a_variant_that_is_called_after_its_settings_has_a_name_that_breaks_nothing() -> None:
    given = parameters("base")
    given["defense"]["variants"] = [{"defense": "bn_perturbation", "strength": 2e6}]
    assert check_parameters(given).defense.variants[0].name == "bn_perturbation_2e_06"


def test_references_are_trained_as_the_target_where_nothing_else_is_said() -> None:
    asked = parameters("base")
    asked["target"]["train"] |= {"architecture": "iresnet_tiny", "epochs": 7}
    followed = check_parameters(asked).membership.references.training
    assert (followed.architecture, followed.epochs, followed.seed) == ("iresnet_tiny", 7, 1000)
    asked["membership"]["references"]["training"] |= {"epochs": 3}
    followed = check_parameters(asked).membership.references.training
    assert (followed.architecture, followed.epochs) == ("iresnet_tiny", 3)
    del asked["membership"]["references"]["training"], asked["target"]["train"]
    asked["target"] |= {"source": "load", "load": {"architecture": "iresnet18", "weights": "x", "embedding_size": 512}}
    with pytest.raises(ConfigurationError, match=r"membership\.references\.training: missing"):
        check_parameters(asked)
