"""What MLflow is told about a run beyond its parameters and metrics: origin, hashes, and how it ended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run, RunStatus
from mlflow.tracking import MlflowClient
from sqlalchemy import make_url

from faceleak.errors import FaceleakError
from faceleak.lock import alone_at
from faceleak.origin import commit, has_uncommitted_changes
from faceleak.pieces import fingerprint, writing
from faceleak.processes import is_gone, this_process

PATIENCE = 120  # seconds
PROCESS_TAG = "faceleak.process"
_tagged: set[tuple[str, str]] = set()


class BusyDatabaseError(FaceleakError):
    """Another run is making MLflow's database."""


def make_database(uri: str) -> None:
    """Make MLflow's SQLite database where there is none yet, whole or not at all; leave other URIs to MLflow.

    MLflow goes through some fifty migrations, and a kill between two leaves a database that it never opens again.
    Raises DiskError.
    """
    path = _sqlite_file(uri)
    if path is None or path.exists():
        return
    busy = BusyDatabaseError(f"Another run has been making {path} for {PATIENCE} seconds. Run the same command again.")
    with alone_at(path, busy, PATIENCE):
        if not path.exists():
            with writing(path) as partial:
                MlflowClient(f"sqlite:///{partial}").search_experiments()


def _sqlite_file(uri: str) -> Path | None:
    if not uri.startswith("sqlite:"):
        return None
    file = make_url(uri).database
    return None if file in (None, "", ":memory:") else Path(str(file)).absolute()


def close_orphans(experiment_id: str) -> None:
    """Mark runs of this host as KILLED whose process is gone, with their children."""
    client = MlflowClient()
    running = client.search_runs([experiment_id], "attributes.status = 'RUNNING'")
    orphans = {run.info.run_id for run in running if is_gone(_process_of(run))}
    orphans |= {run.info.run_id for run in running if run.data.tags.get("mlflow.parentRunId") in orphans}
    for run_id in orphans:
        client.set_terminated(run_id, RunStatus.to_string(RunStatus.KILLED))


def _process_of(run: Run) -> str:
    return str(run.data.tags.get(PROCESS_TAG, "")).replace(":", "-")  # colons are of faceleak 0.1.0


def tag_origin(run_params: dict[str, Any]) -> None:
    """Tag the active run with commit, uncommitted changes, configuration environment and process."""
    if mlflow.active_run() is None:
        return
    environment = run_params.get("env") or "base"
    pipelines = " + ".join(run_params.get("pipeline_names") or ["audit"])
    mlflow.set_tags(
        {
            "mlflow.runName": pipelines if environment == "base" else f"{pipelines} ({environment})",
            PROCESS_TAG: this_process(),
            "faceleak.environment": environment,
            "mlflow.source.git.commit": commit() or "none",
            "faceleak.uncommitted_changes": str(has_uncommitted_changes()),
        }
    )


def tag_hashes(handled: dict[str, Any]) -> None:
    """Tag the active run with the hashes of the splits and of the target that a node has handled."""
    run = mlflow.active_run()
    if run is None:
        return
    hashes: dict[str, Callable[[Any], str]] = {"splits": fingerprint, "target": lambda target: target.weights_hash()}
    for name, hash_of in hashes.items():
        tag = f"faceleak.{name}_hash"
        if name in handled and (run.info.run_id, tag) not in _tagged:
            _tagged.add((run.info.run_id, tag))
            mlflow.set_tag(tag, hash_of(handled[name]))


def log_step(metrics: dict[str, float], step: int) -> None:
    """Log one point of a time series to the active run, if there is one."""
    if mlflow.active_run() is not None:
        mlflow.log_metrics(metrics, step)


def log_file(path: Path, folder: str) -> None:
    """Keep a file among the artifacts of the active run, if there is one."""
    if mlflow.active_run() is not None:
        mlflow.log_artifact(str(path), folder)


def describe(results: dict[str, dict[str, Any]], recommendation: str) -> None:
    """Write what was found as the active run's description."""
    from faceleak.reporting.run_description import run_description

    if mlflow.active_run() is not None and (text := run_description(results, recommendation)):
        mlflow.set_tag("mlflow.note.content", text)


def close_as_killed() -> None:
    """End the active run and its parents as KILLED: the user or the system has stopped this process."""
    while mlflow.active_run() is not None:
        mlflow.end_run(RunStatus.to_string(RunStatus.KILLED))
