"""Tasks on this machine: in this process, or in several that share its cores and GPUs."""

import ctypes
import multiprocessing
import os
import platform
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from faceleak.work import progress
from faceleak.work.compute import (
    ComputeOptions,
    DeviceError,
    Result,
    Task,
    WorkerError,
    available_cores,
    gpus,
    keep_freed_memory,
    pick_device,
    worker_count,
)
from faceleak.work.processes import become_worker, is_worker

PR_SET_PDEATHSIG = 1  # prctl(2)
SECONDS_TO_NOTICE_A_DEATH = 5.0
TASKS_AHEAD = 4  # for each worker, so that none waits
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"


def run(
    function: Callable[[Task], Result], tasks: Sequence[Task], options: ComputeOptions, processes: int = 1
) -> list[Result]:
    """Apply `function` to every task and return the results in order.

    One worker runs them here, several in processes of their own; a script that calls this needs the usual
    `if __name__ == "__main__":`. The first error, or an interrupt, ends the processes at once and is raised.
    Raises WorkerError if a process dies.
    """
    workers = 1 if is_worker() else worker_count(options, len(tasks), processes)
    if workers == 1:
        return [function(task) for task in tasks]
    threads = None if options.threads == "auto" else options.threads
    devices = gpus(options) if options.device in ("auto", "cuda") else []
    of_workers = [devices[first : first + processes] for first in range(0, len(devices) - processes + 1, processes)]
    with _workers(workers, threads, of_workers) as executor:
        futures = [executor.submit(function, task) for task in tasks]
        for future in as_completed(futures):
            future.result()
        return [future.result() for future in futures]


def run_together(function: Callable[[int], Result], options: ComputeOptions) -> list[Result]:
    """Apply `function` to the number of each of `options.training_processes`, all at the same time.

    Raises DeviceError if there are too few GPUs, and else as `run`.
    """
    import torch

    count, devices = options.training_processes, gpus(options)
    if pick_device(options).type == "cuda" and len(devices) < count:
        raise DeviceError(
            f"compute.training_processes is {count}, each with a GPU of its own, and there are {len(devices)} here. "
            "Lower it, or change compute.devices."
        )
    threads = max(1, torch.get_num_threads() // count) if options.threads == "auto" else options.threads
    with _workers(count, threads, [[device] for device in devices]) as executor:
        futures = [executor.submit(function, number) for number in range(count)]
        for future in as_completed(futures):
            _raise_cause(future, futures)
        return [future.result() for future in futures]


def _raise_cause(ended: "Future[Any]", together: "list[Future[Any]]") -> None:
    """Raise the error of `ended`, or that of a process which died: what waits for it may have failed before."""
    if isinstance(ended.exception(), RuntimeError):  # as torch says that it lost its connection
        wait(together, SECONDS_TO_NOTICE_A_DEATH)
        for future in together:
            if future.done() and isinstance(future.exception(), BrokenProcessPool):
                future.result()
    ended.result()


def stream(function: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[tuple[Task, Result]]:
    """Apply `function` to tasks that do not fit in memory together: yield each with its result, in order."""
    if workers == 1 or is_worker():
        yield from ((task, function(task)) for task in tasks)
        return
    with _workers(workers) as executor:
        waiting: deque[tuple[Task, Future[Result]]] = deque()
        for task in tasks:
            waiting.append((task, executor.submit(function, task)))
            if len(waiting) > TASKS_AHEAD * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        yield from ((task, future.result()) for task, future in waiting)


@contextmanager
def _workers(
    count: int, threads: int | None = None, devices: Sequence[Sequence[int]] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Processes that share cores and GPUs; they are ended at once if the block ends by an error or an interrupt."""
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    visible: Any = context.Queue()
    for worker in range(count if devices else 0):
        visible.put(",".join(map(_name_of_gpu, devices[worker % len(devices)])))
    with (
        # before they start, so that torch and BLAS both obey
        _exported("OMP_NUM_THREADS", str(threads or max(1, available_cores() // count))),
        progress.collecting(context.Queue()) as queue,
        ProcessPoolExecutor(count, context, _start_worker, (queue, visible if devices else None)) as executor,
    ):
        try:
            yield executor
        except BaseException as error:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()  # without workers the executor gives up all that it had still to do
            if isinstance(error, BrokenProcessPool):
                raise WorkerError(
                    "A worker process died before it had a result, most often because memory ran out. What was "
                    "finished is kept: lower compute.workers or compute.batch_size and run the same command again."
                ) from error
            raise


def _name_of_gpu(number: int) -> str:
    """How CUDA calls the GPU that is this process's `number`th."""
    visible = os.environ.get(VISIBLE_GPUS)
    return visible.split(",")[number] if visible else str(number)


@contextmanager
def _exported(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _start_worker(queue: Any, gpus: Any) -> None:
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent ends its workers itself
    if gpus is not None:
        os.environ[VISIBLE_GPUS] = gpus.get()  # before torch is imported: this worker's `cuda` is this GPU
    become_worker()
    keep_freed_memory()
    progress.report_to(queue)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if platform.system() != "Linux" or parent is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it died before the call
        os._exit(1)
