"""The stage `membership` of `tuning` from end to end, on settings so small that the numbers mean nothing."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient

from faceleak.work.checksummed import load_tree

from .conftest import environment, kedro, told, written

PIPELINE = ("--pipelines=tuning", "--tags=membership")


@pytest.fixture(scope="module")
def tuned(audited: Path) -> Path:
    run = kedro(audited, "run", "--env=smoke", *PIPELINE)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Tuning: before and after" in run.stdout
    return audited / "data/smoke"


def test_trials_are_in_a_table_and_in_child_runs(audited: Path, tuned: Path) -> None:
    trials = pd.read_csv(tuned / "08_reporting/tuning_trials.csv")
    assert trials["trial"].tolist() == [0, 1, 2]
    client = MlflowClient(environment(audited)["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("faceleak").experiment_id
    parent = client.search_runs([experiment], "attributes.run_name = 'tuning (smoke)'")[0].info.run_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    assert {run.info.run_name for run in children} == {"trial 0", "trial 1", "trial 2", "undefended"}
    assert {file.path for file in client.list_artifacts(parent, "tuning")} >= {
        "tuning/tuned_attack.yml",
        "tuning/tuning_study.png",
        "tuning/tuning.png",
    }


def test_both_attacks_are_judged_on_people_the_study_never_saw(tuned: Path) -> None:
    scores = pd.read_parquet(tuned / "07_model_output/tuning_scores.parquet")
    splits = pd.read_parquet(tuned / "03_primary/splits.parquet")
    assert set(scores["attack"]) == {"fused", "tuned"}
    known = splits[splits["known"] | splits["role"].isin(["auxiliary", "public"])]["identity"]
    assert not set(scores["identity"]) & set(known)
    measured = json.loads((tuned / "08_reporting/tuning_metrics.json").read_text())["undefended"]["tuning"]
    assert set(measured) == {
        "fused_partial_knowledge",
        "tuned_partial_knowledge",
        "tuned_over_fused_partial_knowledge",
    }


@pytest.mark.slow
def test_the_same_inputs_give_the_same_files_also_where_nothing_is_cached(audited: Path, tuned: Path) -> None:
    files = [tuned / "06_models/tuned_attack.yml", tuned / "08_reporting/tuning_trials.csv"]
    before = [file.read_bytes() for file in files]
    for study in (tuned / "cache/studies").glob("*.db"):
        study.unlink()
    run = kedro(audited, "run", "--env=smoke", *PIPELINE)
    assert run.returncode == 0, run.stderr
    assert [file.read_bytes() for file in files] == before


def test_the_attack_takes_the_tuned_one_by_config_and_nothing_else_changes(audited: Path, tuned: Path) -> None:
    config, before, trained = tuned / "06_models/tuned_attack.yml", told(audited), written(audited)
    run = kedro(audited, "run", "--env=smoke", "--pipelines=faces,target,membership", f"--config={config}")
    assert run.returncode == 0, run.stderr
    assert "make ui" not in run.stdout
    after = told(audited)
    attacks = after["membership_metrics.json"]["undefended"]["membership"]
    assert {name for name in attacks if name.startswith("tuned")} == {"tuned_partial_knowledge", "tuned_shadow"}
    del attacks["tuned_partial_knowledge"], attacks["tuned_shadow"]
    assert after == before
    assert written(audited) == trained
    scores = pd.read_parquet(tuned / "07_model_output/scores.parquet")
    assert {"tuned", "fused", "bn_distance"} <= set(scores["attack"])
    models = load_tree(tuned / "06_models/attack_models.json")["undefended"]
    chosen = yaml.safe_load(config.read_text())["run"]["params"]["membership"]["attacks"]["tuned"]
    fitted = models["tuned_partial_knowledge"]["options"]
    assert {key: fitted[key] for key in chosen} == chosen
