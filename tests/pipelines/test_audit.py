"""The whole audit on the smoke environment: what it leaves behind for people, for DVC and in MLflow."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from PIL import Image

from .conftest import environment, kedro, told, written

ATTACKERS = ("static", "refitted", "adaptive")
VARIANTS = {
    "undefended",
    "bn_perturbation_0",
    "bn_perturbation_0.8",
    "bn_folding",
    "embedding_noise_1",
    "early_stopping",
}


def reports(project: Path) -> Path:
    return project / "data" / "smoke" / "08_reporting"


def tree(project: Path, name: str) -> dict:
    return json.loads((reports(project) / f"{name}.json").read_text())


def runs(project: Path) -> list[Run]:
    client = MlflowClient(environment(project)["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("faceleak")
    return list(client.search_runs([experiment.experiment_id]))


def test_results_hold_every_stage_with_intervals_around_values(audited: Path) -> None:
    results = tree(audited, "results")["undefended"]
    unseen = results["membership"]["bn_distance_partial_knowledge"]["unseen_identity"]
    assert set(results) == {"utility", "membership", "reconstruction"}
    assert unseen["auc_ci_low"] <= unseen["auc"] <= unseen["auc_ci_high"]
    assert {"blind_partial_knowledge", "bn_distance_shadow"} <= set(results["membership"])
    steps = results["reconstruction"]["bn_moments_partial_knowledge"]
    searched = ["random", "best_random", "untrained_guided", "optimized"]
    assert list(steps) == [*searched, "class_centers", "head_given", "ceiling"]
    assert all({"median_rank", "cmc_at_10", "people_ranked"} <= set(steps[step]) for step in ("head_given", "ceiling"))
    assert not [step for step in ("optimized", "class_centers") if "median_rank" in steps[step]]  # they intend nobody
    assert set(steps["optimized"]["evaluators"]) == {"first", "second", "resembling"}
    assert "resembling_gap" in steps["optimized"]
    assert {f"kid_to_{kind}_ci_low" for kind in ("members", "controls", "public")} < set(steps["optimized"])


def test_strength_zero_leaves_every_metric_as_it_was(audited: Path) -> None:
    results = tree(audited, "defense_results")
    assert results["bn_perturbation_0"] == results["undefended"]


def test_undefended_target_is_the_same_to_static_and_refitted_attackers_and_to_the_attack_pipeline(
    audited: Path,
) -> None:
    defended = tree(audited, "defense_results")["undefended"]["membership"]
    attacked = tree(audited, "results")["undefended"]["membership"]
    assert defended["bn_distance_partial_knowledge_static"] == defended["bn_distance_partial_knowledge_refitted"]
    assert defended["bn_distance_partial_knowledge_refitted"] == attacked["bn_distance_partial_knowledge"]


def test_every_variant_meets_every_attacker(audited: Path) -> None:
    scores = pd.read_parquet(audited / "data/smoke/07_model_output/defense_scores.parquet")
    met = set(scores[["variant", "attacker"]].drop_duplicates().itertuples(index=False, name=None))
    assert met == {(variant, attacker) for variant in VARIANTS for attacker in ATTACKERS}


def test_what_a_variant_does_not_show_is_not_scored_but_what_bypass_brings_back_is(audited: Path) -> None:
    scores = pd.read_parquet(audited / "data/smoke/07_model_output/defense_scores.parquet")
    folded = scores[(scores["variant"] == "bn_folding") & (scores["attack"] == "bn_distance")]
    assert set(folded["attacker"]) == {"adaptive"}
    assert set(folded["view"]) == {"bn_folding+bn_insertion"}
    noisy = scores[(scores["variant"] == "embedding_noise_1") & (scores["attack"] == "reference_similarity")]
    assert set(noisy["view"]) <= {"embedding_noise_1", "embedding_noise_1+averaging"}  # unwrapping takes weights


def test_points_and_recommendation_tell_both_accesses(audited: Path) -> None:
    points = pd.read_csv(reports(audited) / "privacy_utility.csv")
    assert set(points["variant"]) == VARIANTS
    assert set(points["access"]) == {"weights", "embeddings"}
    words = (reports(audited) / "recommendation.md").read_text()
    assert "Weights in hand" in words
    assert "Embeddings only" in words
    assert "plotly" in (reports(audited) / "privacy_utility.html").read_text()


def test_nobody_whom_the_attacker_knows_is_scored(audited: Path) -> None:
    splits = pd.read_parquet(audited / "data/smoke/03_primary/splits.parquet")
    scores = pd.read_parquet(audited / "data/smoke/07_model_output/scores.parquet")
    known = set(splits.loc[splits["known"] | splits["role"].isin(["auxiliary", "public"]), "identity"])
    assert not known & set(scores["identity"])
    assert len(scores) > 0


@pytest.mark.parametrize(
    "name",
    [
        "people",
        "roc",
        "bn_distances",
        "gallery",
        "untrained_gallery",
        "reconstruction_steps",
        "film_strips",
        "embedding_map",
        "privacy_utility",
        "comparison",
        "risks",
        "risk_calibration",
    ],
)
def test_figures_are_real_pictures(audited: Path, name: str) -> None:
    with Image.open(reports(audited) / f"{name}.png") as image:
        assert image.width > 500
        assert len(image.convert("L").getcolors(256) or []) > 10


def test_mlflow_holds_one_run_with_a_child_a_variant(audited: Path) -> None:
    parents = [run for run in runs(audited) if "mlflow.parentRunId" not in run.data.tags]
    children = {run.info.run_name: run for run in runs(audited) if "mlflow.parentRunId" in run.data.tags}
    assert len(parents) == 1
    assert set(children) == {*VARIANTS, "undefended_repeated"}
    assert "membership/fused_shadow/identity/auc" in children["undefended_repeated"].data.metrics
    assert {run.info.status for run in [*parents, *children.values()]} == {"FINISHED"}
    metrics = children["undefended"].data.metrics
    assert "membership/bn_distance_partial_knowledge/unseen_identity/auc" in metrics
    assert "membership/bn_distance_partial_knowledge_adaptive/unseen_identity/auc" in metrics
    assert math.isclose(
        metrics["utility/verification_auc"], tree(audited, "results")["undefended"]["utility"]["verification_auc"]
    )


def test_mlflow_parameters_are_flat_and_tags_tell_the_origin(audited: Path) -> None:
    parent = next(run for run in runs(audited) if "mlflow.parentRunId" not in run.data.tags)
    assert parent.data.params["target.train.epochs"] == "2"
    assert parent.data.params["faces.demo.people"] == "52"
    assert parent.data.tags["faceleak.environment"] == "smoke"
    assert len(parent.data.tags["faceleak.splits_hash"]) == len(parent.data.tags["faceleak.target_hash"]) == 16
    assert not [value for value in parent.data.params.values() if "Options(" in value]
    assert parent.data.tags["faceleak.target"] == f"iresnet_tiny ({parent.data.tags['faceleak.target_hash'][:8]})"
    assert parent.data.tags["faceleak.command"] == "kedro run --env=smoke"
    assert not {"runner", "run_id", "project_path", "kedro_command"} & set(parent.data.tags)
    for name in ("splits_hash", "target_hash"):
        assert parent.data.params[f"origin.{name}"] == parent.data.tags[f"faceleak.{name}"]
    assert {"origin.commit", "origin.uncommitted_changes"} <= set(parent.data.params)
    (faces,) = parent.inputs.dataset_inputs
    assert (faces.dataset.name, faces.dataset.digest) == ("demo", parent.data.tags["faceleak.splits_hash"])


def test_mlflow_compares_runs_by_a_summary_and_draws_curves(audited: Path) -> None:
    by_name = {run.info.run_name: run for run in runs(audited)}
    parent, child = by_name["audit (smoke)"], by_name["embedding_noise_1"]
    summary = {name for name in parent.data.metrics if name.startswith("summary/")}
    assert {"summary/verification_auc", "summary/attack_auc", "summary/match_advantage"} <= summary
    assert "summary/attack_auc" in child.data.metrics
    strongest = parent.data.tags["faceleak.strongest_attack"]
    of_target = tree(audited, "results")["undefended"]["membership"][strongest]["unseen_identity"]
    assert parent.data.metrics["summary/attack_auc"] == of_target["auc"]
    assert {"training/loss/target", "training/loss/reference_0", "search/objective"} <= set(parent.data.metrics)
    assert "system/cpu_utilization_percentage" in parent.data.metrics
    assert not [name for name in child.data.metrics if name.startswith("system/")]


@pytest.mark.slow  # the same with another attack: `test_tuning.py`
def test_a_second_run_changes_no_metric_and_trains_nothing(audited: Path) -> None:
    before, trained = told(audited), written(audited)
    run = kedro(audited, "run", "--env=smoke", "--pipelines=attack")
    assert run.returncode == 0, run.stderr
    assert told(audited) == before
    assert written(audited) == trained
    assert "make ui" in run.stdout
