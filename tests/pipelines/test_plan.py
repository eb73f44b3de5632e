"""The plan as a user runs it: over an audit that is done, and before anything is there."""

import json
from pathlib import Path

from .conftest import kedro


def test_after_an_audit_all_its_pieces_are_found_by_name(audited: Path, tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path / 'mlflow.db'}"  # other tests count the audit's runs
    run = kedro(audited, "run", "--env=smoke", "--pipelines=plan", MLFLOW_TRACKING_URI=elsewhere)
    assert run.returncode == 0, run.stderr
    plan = json.loads((audited / "data/smoke/08_reporting/plan.json").read_text())
    kept = {f"{line['pipeline']}: {line['kind']}": line for line in plan["lines"] if line["kept"]}
    assert {name: line["there"] for name, line in kept.items()} == {n: line["pieces"] for n, line in kept.items()}
    assert sum(line["seconds"] + line["disk"] for line in kept.values()) == 0
    assert plan["totals"]["audit"]["seconds"] > plan["totals"]["attack"]["seconds"] > 0
    assert "What is still to be done" in run.stdout


def test_a_stated_rate_of_nothing_stops_with_what_there_is(project: Path) -> None:
    (project / "conf/local/parameters_plan.yml").write_text(
        "plan: {rates: {training iresnet: {per_second: 5, source: guessed}}}"
    )
    run = kedro(project, "run", "--env=local", "--pipelines=plan")
    assert run.returncode == 1
    assert "plan.rates has training iresnet; this audit takes a node," in run.stderr
