"""What MLflow records of a run in addition to parameters and metrics: origin, hashes, and how it ended."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Run, RunStatus
from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
from mlflow.tracking import MlflowClient
from sqlalchemy import make_url

from faceleak.common.errors import FaceleakError
from faceleak.runs.datasets.metrics import CHANGED_TAG, child_run
from faceleak.runs.origin import changed_parameters, command, commit, has_uncommitted_changes
from faceleak.work.lock import alone_at
from faceleak.work.processes import is_gone, this_process
from faceleak.work.tasks import fingerprint, writing

PATIENCE = 120  # seconds
PROCESS_TAG = "faceleak.process"
SAID_TWICE = {"env", "kedro_version", "pipeline_names", "project_path", "run_id", "runner", "runtime_params"}
EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": (
        "One run a `kedro run`, one child run a variant of the target. Metrics that start with `summary/` are the same "
        "for all runs: show them as columns, or as charts. `training/` and `search/` are curves."
    ),
}
_tagged: set[tuple[str, str]] = set()


class BusyDatabaseError(FaceleakError):
    """Another run is making MLflow's database."""


def make_database(uri: str) -> None:
    """Make MLflow's SQLite database if there is none yet, whole or not at all; leave other URIs to MLflow.

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


def describe_experiment(experiment_id: str) -> None:
    """Let the experiment open among those that train models, and say on its page how its runs are read."""
    client = MlflowClient()
    known = client.get_experiment(experiment_id).tags
    for tag, text in EXPERIMENT_TAGS.items():
        if known.get(tag) != text:
            client.set_experiment_tag(experiment_id, tag, text)


@contextmanager
def system_metrics(wanted: bool) -> Iterator[None]:
    """Let a run that starts inside the block watch the machine as long as it lasts; child runs do not."""
    if wanted:
        os.environ[MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.name] = "true"
    try:
        yield
    finally:
        os.environ.pop(MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.name, None)


def tag_origin(run_params: dict[str, Any]) -> None:
    """Name the active run by what it was asked for; tag it with commit, changes, environment, command and process.

    Its origin is also a parameter, because MLflow compares parameters and metrics of runs, but no tags.
    """
    if mlflow.active_run() is None:
        return
    environment = run_params.get("env") or "base"
    pipelines = " + ".join(run_params.get("pipeline_names") or ["audit"])
    name = pipelines if environment == "base" else f"{pipelines} ({environment})"
    changed = changed_parameters(run_params)
    origin = {"commit": commit() or "none", "uncommitted_changes": str(has_uncommitted_changes())}
    mlflow.set_tags(
        {
            "mlflow.runName": f"{name}: {changed}" if changed else name,
            PROCESS_TAG: this_process(),
            "faceleak.environment": environment,
            "faceleak.command": command(run_params),
            "mlflow.source.git.commit": origin["commit"],
            "faceleak.uncommitted_changes": origin["uncommitted_changes"],
            **({CHANGED_TAG: changed} if changed else {}),
        }
    )
    mlflow.log_params({f"origin.{name}": value for name, value in origin.items()})
    for tag in SAID_TWICE & {name for name, value in run_params.items() if value}:
        mlflow.delete_tag(tag)
    mlflow.delete_tag("kedro_command")  # without environment and parameters


def tag_hashes(handled: dict[str, Any], source: str) -> None:
    """Tag the active run with the hashes of the splits and of the target that a node has handled, also as parameters.

    The splits are its dataset too, which MLflow shows in the list of runs; `source` says where the faces come from.
    """
    run = mlflow.active_run()
    if run is None:
        return
    hashes: dict[str, Callable[[Any], str]] = {"splits": fingerprint, "target": lambda target: target.weights_hash()}
    for name, hash_of in hashes.items():
        tag = f"faceleak.{name}_hash"
        if name in handled and (run.info.run_id, tag) not in _tagged:
            _tagged.add((run.info.run_id, tag))
            digest = hash_of(handled[name])
            mlflow.set_tag(tag, digest)
            mlflow.log_param(f"origin.{name}_hash", digest)
            if name == "splits":
                _log_faces(run.info.run_id, handled[name], source, digest)
            else:
                mlflow.set_tag("faceleak.target", f"{handled[name].card.architecture} ({digest[:8]})")


def _log_faces(run_id: str, splits: Any, source: str, digest: str) -> None:
    """Log the faces as the run's dataset: source, hash, and how many people and images play each role."""
    people, images = splits.groupby("role")["identity"].nunique().to_dict(), splits["role"].value_counts().to_dict()
    profile = json.dumps({"people": people, "images": images})
    faces = Dataset(source, digest, "local", json.dumps({"source": source}), profile=profile)
    MlflowClient().log_inputs(run_id, [DatasetInput(faces, [InputTag("mlflow.data.context", "splits")])])


def log_step(metrics: dict[str, float], step: int) -> None:
    """Log one point of a time series to the active run, if there is one."""
    if mlflow.active_run() is not None:
        mlflow.log_metrics(metrics, step)


def log_file(path: Path, folder: str) -> None:
    """Keep a file among the artifacts of the active run, if there is one."""
    if mlflow.active_run() is not None:
        mlflow.log_artifact(str(path), folder)


def describe(variants: list[Any], points: Any | None, recommendation: str) -> None:
    """Write what was found as the active run's description; with `points` it compares defenses."""
    from faceleak.reporting.run_description import run_description

    if mlflow.active_run() is not None and (text := run_description(variants, points, recommendation)):
        mlflow.set_tag("mlflow.note.content", text)


def summarize(variants: list[Any]) -> None:
    """Log few numbers and words of each variant to its child run; those of a single variant to the active run too."""
    if mlflow.active_run() is None:
        return
    for variant in variants:
        with child_run(variant.name):
            _log_summary(variant)
    if len(variants) == 1:
        _log_summary(*variants)


def _log_summary(variant: Any) -> None:
    from faceleak.reporting.run_description import summary_numbers, summary_words

    mlflow.log_metrics({f"summary/{name}": value for name, value in summary_numbers(variant).items()})
    mlflow.set_tags({f"faceleak.{name}": text for name, text in summary_words(variant).items()})


def close_as_killed() -> None:
    """End the active run and its parents as KILLED: the user or the system has stopped this process."""
    while mlflow.active_run() is not None:
        mlflow.end_run(RunStatus.to_string(RunStatus.KILLED))
