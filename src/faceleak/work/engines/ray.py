"""Tasks on a Ray cluster: Ray places them, gives them cores and GPUs, and runs them again if a process dies.

Nodes share the folder in which the run was started and the cache, at the same paths; each has the same environment.
"""

import logging
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from faceleak.common.errors import FaceleakError
from faceleak.work import progress
from faceleak.work.compute import (
    ComputeOptions,
    Result,
    Task,
    WorkerError,
    available_cores,
    keep_freed_memory,
    pick_device,
    share_cores,
    training_dtype,
)
from faceleak.work.processes import become_worker
from faceleak.work.tasks import remembered_json

GRACE = 1.0  # seconds
OBJECT_STORE = 256 << 20  # bytes of shared memory for tasks on their way, of a cluster of our own; more goes to disk
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # what makes Ray listen on 127.0.0.1 alone, on any system
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"}  # a busy machine takes its time


class ClusterError(FaceleakError):
    """The Ray cluster cannot be used: not reached, or its nodes do not see or compute the same."""


@dataclass(frozen=True)
class _Driver:
    """What a worker has to have in common with the process that sends tasks."""

    folder: Path
    mark: Path  # a file in the cache
    name: str  # which that file holds
    computes: tuple[str, str]
    options: ComputeOptions


@dataclass(frozen=True)
class _Reporter:
    """Takes the progress of a worker; it does not wait for the driver, nor fail without it."""

    queue: Any

    def put(self, progress: Any) -> None:
        self.queue.put_nowait.remote(progress)


def run(
    function: Callable[[Task], Result], tasks: Sequence[Task], options: ComputeOptions, processes: int = 1
) -> list[Result]:
    """Apply `function` to every task on the cluster and return the results in order.

    The first error of a task is raised as it is and ends all others at once, as an interrupt does.
    Raises ClusterError if the cluster cannot be used, WorkerError if a task's processes died again and again.
    """
    _connect(options)
    import ray

    results: dict[int, Result] = {}
    running: dict[Any, int] = {}
    driver = _describe(options)
    with _progress() as queue, _ending(running):
        submit = _remote(options, driver, processes)
        shared = ray.put(function)  # once for all tasks: it may hold a backbone
        limit = len(tasks) if options.workers == "auto" else options.workers
        for number, task in enumerate(tasks):
            if len(running) == limit:
                _collect(running, results)
            running[submit.remote(shared, task, driver, queue)] = number
        while running:
            _collect(running, results)
    return [results[number] for number in range(len(tasks))]


def _connect(options: ComputeOptions) -> None:
    """Join the cluster, or start one on this machine that ends with this process. Does nothing if it is joined."""
    local = options.address is None or options.address.startswith(("127.", "localhost:"))
    os.environ.update(SETTINGS | (LOOPBACK if local else {}))
    import ray

    if ray.is_initialized():
        return
    own: dict[str, Any] = {
        "num_cpus": available_cores(),
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE,
    }
    with _own_signals():
        try:
            ray.init(options.address or "local", logging_level=logging.ERROR, **({} if options.address else own))
        except Exception as error:  # whatever Ray stumbles on: it raises many kinds, `Exception` itself among them
            raise ClusterError(
                f"The Ray cluster of compute.address ({options.address or 'none: started here'}) cannot be used: "
                f"{error} Check the address, that `ray start` runs there, and that all nodes have the same Ray and "
                "Python. Where the cluster has a token, as `ray start` makes it have where one is found, export "
                "RAY_AUTH_MODE=token here too."
            ) from error


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this process does on SIGTERM: Ray would take it over."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _describe(options: ComputeOptions) -> _Driver:
    mark = options.cache.absolute() / ".cluster.json"
    name = remembered_json(mark, lambda: {"cache": uuid4().hex})["cache"]
    return _Driver(Path.cwd(), mark, name, _computes(options), options)


def _computes(options: ComputeOptions) -> tuple[str, str]:
    """The kind of device and the type that training computes with."""
    device = pick_device(options)
    return device.type, str(training_dtype(options, device))


@contextmanager
def _progress() -> Iterator[Any]:
    """A queue on this node for the progress of workers, or None if it is not shown."""
    if not progress.is_shown():
        yield None
        return
    import ray
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
    try:
        with progress.collecting(queue):
            yield queue.actor
    finally:
        if ray.is_initialized():
            queue.shutdown(force=True)


@contextmanager
def _ending(running: dict[Any, int]) -> Iterator[None]:
    """End all tasks if the block ends by an error or an interrupt.

    What is about to end by itself may: Ray's own process breaks down where a task ends while it is being canceled
    (its pull request 54798 mends some of these cases).
    """
    import ray

    try:
        yield
    except BaseException:
        if running:
            _, unfinished = ray.wait(list(running), num_returns=len(running), timeout=GRACE)
            for reference in unfinished:
                ray.cancel(reference, force=True)
        raise


def _remote(options: ComputeOptions, driver: _Driver, processes: int) -> Any:
    import ray

    threads = (1 if options.threads == "auto" else options.threads) * processes
    gpu_share = options.gpu_share if processes == 1 else processes
    gpus = gpu_share if driver.computes[0] == "cuda" else 0
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if not any(node.get("CPU", 0) >= threads and node.get("GPU", 0) >= gpus for node in nodes):
        raise ClusterError(
            f"A task takes {threads} cores and {gpus} GPUs, and no living node of the cluster has that many. Lower "
            "compute.threads, compute.training_processes or compute.gpu_share, or set compute.device to `cpu`."
        )
    return ray.remote(_work).options(num_cpus=threads, num_gpus=gpus, max_retries=options.retries)


def _collect(running: dict[Any, int], results: dict[int, Any]) -> None:
    """Wait for one task and keep its result."""
    import ray

    (done,), _ = ray.wait(list(running), num_returns=1)
    number = running.pop(done)  # before an error of it could end the others: it has ended itself
    try:
        results[number] = ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except ray.exceptions.RayError as error:
        raise WorkerError(
            f"A task of work did not end on the Ray cluster ({type(error).__name__}): its process or its node died, "
            "most often because memory ran out. What was finished is kept: lower "
            "compute.workers or compute.batch_size, or raise compute.retries, and run the same command again."
        ) from error


def _work(function: Callable[[Task], Result], task: Task, driver: _Driver, queue: Any) -> Result:
    """Run a task; in a process of the cluster."""
    become_worker()
    _use_threads(1 if driver.options.threads == "auto" else driver.options.threads)
    _check(driver)
    if queue is not None:
        progress.report_to(_Reporter(queue))
    return function(task)


def _use_threads(number: int) -> None:
    """Compute with so many threads, even if torch was imported before."""
    os.environ["OMP_NUM_THREADS"] = str(number)
    share_cores()
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(number)
    threadpool_limits(number)
    keep_freed_memory()


def _check(driver: _Driver) -> None:
    """Go to the folder of the run. Raises ClusterError if this node lacks it, has another cache or computes else."""
    node = f"The node {platform.node()}"
    if not driver.folder.is_dir():
        raise ClusterError(f"{node} has no folder {driver.folder}. Nodes must share the folder of the run: mount it.")
    os.chdir(driver.folder)
    if not driver.mark.exists() or remembered_json(driver.mark, dict)["cache"] != driver.name:
        raise ClusterError(
            f"{node} does not see the cache of this run at {driver.mark.parent}. Nodes must share it at the same path: "
            "mount it there, or set compute.cache to a folder that they share."
        )
    if (found := _computes(driver.options)) != driver.computes:
        raise ClusterError(
            f"{node} would compute on {' in '.join(found)}, this run computes on {' in '.join(driver.computes)}. Set "
            "compute.device and compute.precision to what all nodes have, and start the run on a node like the others."
        )
