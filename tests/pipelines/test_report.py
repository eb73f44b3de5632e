"""Report and gate as a user runs them: after a whole audit, alone, and with a policy on both of its sides."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from .conftest import environment, kedro

METRIC = "membership/fused_partial_knowledge/unseen_identity/tpr_at_fpr_1pct_ci_low"
POLICY = """
gate:
  policies:
    - metric: {metric}
      at_most: {limit}
      reason: Nobody is to be recognized.
"""


def leak_as_much_as(project: Path, rate: float) -> None:
    """The results of an audit in which one metric is this."""
    tree: float | dict = rate
    for name in reversed(["undefended", *METRIC.split("/")]):
        tree = {name: tree}
    reports = project / "data/08_reporting"
    reports.mkdir(parents=True)
    (reports / "membership_metrics.json").write_text(json.dumps(tree))


def write_policy(project: Path, limit: float, metric: str = METRIC) -> None:
    (project / "conf/local/parameters_report.yml").write_text(POLICY.format(metric=metric, limit=limit))


def last_run(project: Path):
    client = MlflowClient(environment(project)["MLFLOW_TRACKING_URI"])
    return client.search_runs([client.get_experiment_by_name("faceleak").experiment_id], max_results=1)[0]


def test_a_gate_passes_on_one_side_of_a_policy_and_fails_on_the_other(project: Path) -> None:
    leak_as_much_as(project, 0.05)
    write_policy(project, 0.05)
    passing = kedro(project, "run", "--pipelines=gate")
    assert passing.returncode == 0, passing.stderr
    assert f"passed    {METRIC} of undefended is 0.05; allowed is at most 0.05." in passing.stdout
    assert last_run(project).data.tags["faceleak.gate"] == "passed"

    write_policy(project, 0.049)
    failing = kedro(project, "run", "--pipelines=gate")
    assert failing.returncode == 1
    assert f"VIOLATED  {METRIC} of undefended is 0.05; allowed is at most 0.049." in failing.stdout
    assert "1 of 1 policy is violated, so the model is not to be released" in failing.stderr
    assert "Nobody is to be recognized." in failing.stderr
    assert "Traceback" not in failing.stderr
    assert last_run(project).data.tags["faceleak.gate"] == "violated"
    (judged,) = json.loads((project / "data/08_reporting/gate.json").read_text())
    assert (judged["value"], judged["at_most"], judged["passed"]) == (0.05, 0.049, False)


def test_a_policy_about_nothing_is_an_error_that_names_what_is_near(project: Path) -> None:
    leak_as_much_as(project, 0.05)
    write_policy(project, 0.05, METRIC.replace("fused", "fussed"))
    run = kedro(project, "run", "--pipelines=gate")
    assert run.returncode == 1
    assert f"Nearest: {METRIC}." in run.stderr


def test_a_report_without_any_results_says_what_to_run(project: Path) -> None:
    run = kedro(project, "run", "--pipelines=report")
    assert run.returncode == 1
    assert (
        "holds no results, so there is nothing to report. Run an audit first: kedro run --pipelines=attack."
        in run.stderr
    )


def test_the_audit_ends_with_the_report(audited: Path) -> None:
    reports = audited / "data/smoke/08_reporting"
    report = json.loads((reports / "audit.json").read_text())
    assert report["origin"]["command"] == "kedro run --env=smoke"
    missing = {section["id"] for section in report["sections"] for block in section["blocks"] if "what" in block}
    assert missing == {"erasure", "gate", "tuning"}
    assert report["metrics"]["membership_metrics.json"] == json.loads((reports / "membership_metrics.json").read_text())


@pytest.mark.slow
def test_the_report_can_be_made_again_alone(audited: Path, tmp_path: Path, empty_database: Path) -> None:
    project = tmp_path / "again"  # other tests count the runs of the audit
    shutil.copytree(audited, project, ignore=shutil.ignore_patterns("cache", "mlflow.db*", "mlruns"))
    shutil.copy(empty_database, project)
    run = kedro(project, "run", "--env=smoke", "--pipelines=report")
    assert run.returncode == 0, run.stderr
    assert "audit.html" in run.stdout
    first, again = (
        json.loads((folder / "data/smoke/08_reporting/audit.json").read_text()) for folder in (audited, project)
    )
    assert again["summary"] == first["summary"]
    client = MlflowClient(environment(project)["MLFLOW_TRACKING_URI"])
    artifacts = client.list_artifacts(last_run(project).info.run_id, "report")
    assert [artifact.path.rpartition("/")[2] for artifact in artifacts] == ["audit.html", "audit.json", "model_card.md"]
