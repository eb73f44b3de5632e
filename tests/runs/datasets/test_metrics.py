"""Metrics of variants go to a JSON file and to a child run each; what the gate leaves in MLflow."""

import json
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from faceleak.common.trees import flatten
from faceleak.runs.datasets.metrics import CHANGED_TAG, GateDataset, MetricsDataset, SettingsDataset


def test_flatten_joins_keys() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": 2}}) == {"a/b/c": 1, "a/d": 2}


def test_without_a_run_only_the_file_is_written(tmp_path: Path) -> None:
    MetricsDataset(filepath=str(tmp_path / "metrics.json")).save({"undefended": {"utility": {"auc": 0.9}}})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"undefended": {"utility": {"auc": 0.9}}}


def test_two_stages_of_a_variant_share_its_child_run(tmp_path: Path, client: MlflowClient) -> None:
    with mlflow.start_run() as parent:
        MetricsDataset(filepath=str(tmp_path / "utility.json")).save({"undefended": {"utility": {"auc": 0.9}}})
        MetricsDataset(filepath=str(tmp_path / "membership.json")).save(
            {"undefended": {"membership": {"bn_distance_shadow": {"unseen_identity": {"auc": 0.7}}}}, "weak": {}}
        )
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    children = {run.info.run_name: run for run in client.search_runs([parent.info.experiment_id], query)}
    assert set(children) == {"undefended", "weak"}
    assert children["undefended"].data.metrics == {
        "utility/auc": 0.9,
        "membership/bn_distance_shadow/unseen_identity/auc": 0.7,
    }


def test_settings_and_metrics_of_a_variant_share_its_child_run(tmp_path: Path, client: MlflowClient) -> None:
    settings = {"noise": {"defense": "bn_perturbation", "strength": 0.4, "of": {"seed": 0}}}
    SettingsDataset(filepath=str(tmp_path / "alone.json")).save(settings)
    assert json.loads((tmp_path / "alone.json").read_text()) == settings
    with mlflow.start_run() as parent:
        SettingsDataset(filepath=str(tmp_path / "variants.json")).save(settings)
        MetricsDataset(filepath=str(tmp_path / "utility.json")).save({"noise": {"utility": {"auc": 0.9, "tar": None}}})
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    (child,) = client.search_runs([parent.info.experiment_id], query)
    assert child.data.params == {"defense": "bn_perturbation", "strength": "0.4", "of.seed": "0"}
    assert child.data.metrics == {"utility/auc": 0.9}


def test_a_child_of_a_run_with_changed_parameters_is_named_by_them(tmp_path: Path, client: MlflowClient) -> None:
    with mlflow.start_run() as parent:
        mlflow.set_tag(CHANGED_TAG, "target.train.epochs=6")
        MetricsDataset(filepath=str(tmp_path / "metrics.json")).save({"undefended": {"utility": {"auc": 0.9}}})
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    (child,) = client.search_runs([parent.info.experiment_id], query)
    assert child.info.run_name == "undefended: target.train.epochs=6"


@pytest.mark.parametrize(("passed", "tag"), [(True, "passed"), (False, "violated")])
def test_a_run_is_tagged_with_what_the_gate_found(tmp_path: Path, client: MlflowClient, passed: bool, tag: str) -> None:
    judged = [{"passed": True}, {"passed": passed}]
    with mlflow.start_run() as run:
        GateDataset(filepath=str(tmp_path / "gate.json")).save(judged)
    found = client.get_run(run.info.run_id).data
    assert found.tags["faceleak.gate"] == tag
    assert found.metrics == {"gate/policies": 2, "gate/violated": int(not passed)}
    assert json.loads((tmp_path / "gate.json").read_text()) == judged
