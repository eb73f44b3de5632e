"""The stage `reconstruction` of `tuning` from end to end, on settings so small that the numbers mean nothing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient
from safetensors.numpy import load_file

from .conftest import environment, kedro, set_workers

PIPELINE = ("--pipelines=tuning", "--tags=reconstruction")


@pytest.fixture(scope="module")
def tuned(audited: Path) -> Path:
    """By two workers; the audit before had one."""
    set_workers(audited, "2")
    run = kedro(audited, "run", "--env=smoke", *PIPELINE)
    set_workers(audited, "1")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Tuning: before and after" in run.stdout
    return audited / "data/smoke"


def test_trials_are_in_a_table_and_in_child_runs(audited: Path, tuned: Path) -> None:
    trials = pd.read_csv(tuned / "08_reporting/tuning_reconstruction_trials.csv")
    assert trials["trial"].tolist() == [0, 1, 2]
    assert trials["chosen"].sum() == 1
    client = MlflowClient(environment(audited)["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("faceleak").experiment_id
    parent = client.search_runs([experiment], "attributes.run_name = 'tuning (smoke)'")[0].info.run_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    values = {run.info.run_name: run.data.metrics for run in children}
    assert set(values) == {"trial 0", "trial 1", "trial 2", "undefended"}
    assert values["trial 0"]["tuning_reconstruction/steps_per_face"] == trials["steps_per_face"][0]
    artifacts = {file.path.rpartition("/")[2] for file in client.list_artifacts(parent, "tuning_reconstruction")}
    assert artifacts >= {"tuned_search.yml", "tuning_front.png", "tuning_reconstruction.png"}


@pytest.mark.slow
def test_the_reconstruction_takes_the_tuned_search_by_config_and_finds_the_same_faces(audited, tuned) -> None:
    config = tuned / "06_models/tuned_search.yml"
    compared = load_file(tuned / "07_model_output/tuning_reconstructions.safetensors")
    untuned = load_file(tuned / "07_model_output/reconstructions.safetensors")
    run = kedro(audited, "run", "--env=smoke", "--pipelines=reconstruction", f"--config={config}")
    assert run.returncode == 0, run.stdout + run.stderr
    found = load_file(tuned / "07_model_output/reconstructions.safetensors")
    faces = "optimized/pixels"
    assert np.array_equal(found[f"undefended/{faces}"], compared[f"tuned/{faces}"])
    assert np.array_equal(untuned[f"undefended/{faces}"], compared[f"default/{faces}"])
    measured = json.loads((tuned / "08_reporting/reconstruction_metrics.json").read_text())["undefended"]
    (steps,) = measured["reconstruction"].values()
    told = json.loads((tuned / "08_reporting/tuning_reconstruction_metrics.json").read_text())["undefended"]
    assert told["tuning_reconstruction"]["tuned"]["fresh_advantage"] == steps["optimized"]["match_advantage"]
    assert set(yaml.safe_load(config.read_text())["run"]["params"]["reconstruction"]) == {"search"}


@pytest.mark.slow
def test_the_same_inputs_give_the_same_files_also_where_nothing_is_cached(audited: Path, tuned: Path) -> None:
    files = [tuned / "06_models/tuned_search.yml", tuned / "08_reporting/tuning_reconstruction_trials.csv"]
    before = [file.read_bytes() for file in files]
    for study in (tuned / "cache/studies").glob("*.db"):
        study.unlink()
    run = kedro(audited, "run", "--env=smoke", *PIPELINE)
    assert run.returncode == 0, run.stderr
    assert [file.read_bytes() for file in files] == before
