"""Engines beside each other on this machine, a Ray cluster of two nodes among them: `python -m benchmarks.engines`.

Same metrics of the smoke audit's stage 1, rates of training and of reading, overhead a task, and what is trained again
after a SIGKILL. `… demo` runs both stages of the demo audit on each engine instead, with times of long nodes.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard
from faceleak.backbones.loading import WEIGHTS
from faceleak.backbones.training import TrainingTask, train
from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.signals.reading import read_signals
from faceleak.work.checkpointed import CHECKPOINT
from faceleak.work.compute import ComputeOptions, run_tasks, seeded
from faceleak.work.engines.ray import LOOPBACK, SETTINGS

FOLDER, SMOKE = Path("data/engines"), Path("data/smoke")
STORE = SMOKE / "02_intermediate/faces.arrow"
READ = BackboneCard(architecture="iresnet18", embedding_size=512)
SHARD = 50  # images of a task
TASKS, EPOCHS, EMPTY = 4, 6, 500
NODE_TIME = re.compile(r"^\[ *\d+/\d+\] (?P<name>\w+)  (?P<seconds>[\d.]+) s$", re.MULTILINE)
LONG_NODE = 5.0  # seconds
TIMED_EPOCHS = 60  # long enough that what a worker takes to start counts for little
NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}
COMPUTE: dict[str, Any] = {"device": "cpu", "threads": 1}


@dataclass(frozen=True)
class Run:
    """What is run on each engine: pipelines of an environment, whose results lie in a folder."""

    name: str
    env: str
    pipelines: str
    data: Path
    shard_images: int


STAGE_1_OF_SMOKE = Run("target and membership of the smoke audit", "smoke", "target,membership", SMOKE, SHARD)
DEMO = Run("both stages of the demo audit", "local", "attack", Path("data"), 65536)


def run() -> bool:
    """Print a line for each measurement; return whether metrics and weights agree and no more was trained than lost."""
    torch.set_num_threads(COMPUTE["threads"])  # of this process, which is the one worker; `kedro run` sees to it
    with _cluster([STAGE_1_OF_SMOKE]) as cluster:
        engines = _engines(cluster)
        for name, options in engines.items():
            _overhead(name, options)
        weights = {name: _training(name, options) for name, options in engines.items()}
        signals = {name: _reading(name, options) for name, options in engines.items()}
        on_ray = engines["ray, 2 nodes"]
        lost = [_killed("worker", on_ray, _kill_worker), _killed("node", on_ray, partial(_kill_node, cluster))]
        cluster.add_node(**NODE)
        metrics = {name: _audit(name, options, STAGE_1_OF_SMOKE) for name, options in engines.items()}
    same = _same({"weights": weights, "signals": signals, "metrics": metrics})
    return same and all(again == [0] * (TASKS - 1) + [1] for again in lost)


def run_demo() -> bool:
    """Run the demo audit on each engine; return whether all metrics are the same."""
    with _cluster([DEMO]) as cluster:
        return _same({"metrics": {name: _audit(name, options, DEMO) for name, options in _engines(cluster).items()}})


def _same(results: dict[str, dict[str, str]]) -> bool:
    same = all(len(set(of_engines.values())) == 1 for of_engines in results.values())
    print(f"{', '.join(results)} {'are the same to the bit' if same else f'differ: {results}'}")
    return same


def _engines(cluster: Any) -> dict[str, dict[str, Any]]:
    return {
        "local, 1 worker": {"workers": 1},
        "local, 2 workers": {"workers": 2},
        "ray, 2 nodes": {"engine": "ray", "address": cluster.address, "workers": 2},
    }


@contextmanager
def _cluster(audits: list[Run]) -> Iterator[Any]:
    """A cluster of two nodes, once faces are packed and what earlier runs have left is removed."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for audit in audits:
        if not (audit.data / "02_intermediate/faces.arrow").exists():
            _kedro(audit.env, "faces")
    os.environ.update(LOOPBACK | SETTINGS)
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
    cluster.add_node(**NODE)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def _kedro(env: str, pipelines: str, **params: Any) -> str:
    """What `kedro run` says."""
    given = ",".join(f"compute.{key}={value}" for key, value in (COMPUTE | params).items())
    command = [sys.executable, "-m", "kedro", "run", f"--env={env}", f"--pipelines={pipelines}", f"--params={given}"]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def _audit(name: str, options: dict[str, Any], audit: Run) -> str:
    """Run it with a cache of its own; return a hash of its metrics."""
    cache = FOLDER / f"{audit.env} {name}".replace(", ", "-").replace(" ", "-") / "cache"
    with _timed(f"{name}: {audit.name}"):
        said = _kedro(audit.env, audit.pipelines, **options, cache=cache, shard_images=audit.shard_images)
    for node in NODE_TIME.finditer(said):
        if float(node["seconds"]) >= LONG_NODE:
            print(f"    {node['name']} {node['seconds']} s", flush=True)
    digest = hashlib.sha256()
    for file in sorted((audit.data / "08_reporting").glob("*_metrics.json")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _overhead(name: str, options: dict[str, Any]) -> None:
    compute = ComputeOptions(**COMPUTE, **options, cache=FOLDER)
    run_tasks(abs, [0, 1], compute)  # so that a cluster's processes are up, as they are within a run
    started = time.perf_counter()
    run_tasks(abs, range(2), compute)
    few = time.perf_counter() - started
    started = time.perf_counter()
    run_tasks(abs, range(EMPTY), compute)
    each = (time.perf_counter() - started - few) / (EMPTY - 2)
    print(f"{name}: {few:.2f} s to start, {1000 * each:.2f} ms an empty task", flush=True)


def _references(folder: Path, compute: ComputeOptions, epochs: int = EPOCHS) -> list[TrainingTask]:
    store = FaceStore(STORE)
    images = with_role(pd.read_parquet(SMOKE / "03_primary/splits.parquet"), "auxiliary")
    options = TrainingOptions(
        architecture="iresnet_tiny", image_size=32, embedding_size=32, epochs=epochs, batch_size=16
    )
    return [
        TrainingTask(f"reference_{seed}", store, images, options.model_copy(update={"seed": seed}), compute, folder)
        for seed in range(TASKS)
    ]


def _training(name: str, options: dict[str, Any]) -> str:
    """Train references; return a hash of all their weights."""
    compute = ComputeOptions(**COMPUTE, **options, cache=FOLDER)
    tasks = _references(FOLDER / f"trained {name}", compute, TIMED_EPOCHS)
    with _timed(f"{name}: {TASKS} references of {TIMED_EPOCHS} epochs"):
        run_tasks(train, tasks, compute)
    return _hash_of(tasks)


def _reading(name: str, options: dict[str, Any]) -> str:
    """Read one backbone's signals of many images in shards; return a hash of their table."""
    compute = ComputeOptions(**COMPUTE, **options, cache=FOLDER / f"read {name}", shard_images=SHARD)
    store = FaceStore(STORE)
    with seeded(0):
        backbone = Backbone(build(READ), READ).eval()
    with _timed(f"{name}: signals of an iResNet-18, {len(store)} images in shards of {SHARD}"):
        table = read_signals(["bn_moments", "bn_distance", "embedding"], backbone, store, store.manifest(), compute)
    return hashlib.sha256(table.iloc[:, 1:].to_numpy().tobytes()).hexdigest()


def _hash_of(tasks: list[TrainingTask]) -> str:
    files = [task.folder / WEIGHTS for task in tasks]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _killed(what: str, options: dict[str, Any], kill: Callable[[], None]) -> list[int]:
    """Kill once a checkpoint is there; return how many times each reference was begun again, sorted."""
    compute = ComputeOptions(**COMPUTE, **options, cache=FOLDER)
    folder = FOLDER / f"killed {what}"
    tasks = _references(folder, compute)
    killer = threading.Thread(target=_when_checkpointed, args=(tasks, kill), daemon=True)
    killer.start()
    with _timed(f"SIGKILL of a {what}"):
        run_tasks(partial(_train_and_note, folder), tasks, compute)
    killer.join()
    again = sorted(len((folder / task.name).read_text().splitlines()) - 1 for task in tasks)
    print(f"SIGKILL of a {what}: references begun again {again}, weights {_hash_of(tasks)[:8]}", flush=True)
    return again


def _train_and_note(folder: Path, task: TrainingTask) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / task.name).open("a") as notes:
        notes.write(f"{os.getpid()}\n")
    train(task)


def _when_checkpointed(tasks: list[TrainingTask], kill: Callable[[], None]) -> None:
    while sum((task.folder / CHECKPOINT).exists() for task in tasks) < 2:
        time.sleep(0.05)
    kill()


def _kill_worker() -> None:
    working = [process for process in psutil.process_iter(["cmdline"]) if _is_working(process)]
    working[0].kill()


def _is_working(process: psutil.Process) -> bool:
    return "ray::_work" in " ".join(process.info["cmdline"] or []) and Path(process.cwd()) == Path.cwd()


def _kill_node(cluster: Any) -> None:
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - started:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(0 if (run_demo if "demo" in sys.argv[1:] else run)() else 1)
