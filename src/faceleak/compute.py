"""The one place that decides where work runs: device, precision, threads, and processes for independent pieces."""

import ctypes
import multiprocessing
import os
import platform
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field

from faceleak import progress
from faceleak.errors import FaceleakError
from faceleak.options import Options

if TYPE_CHECKING:
    import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # mallopt(3)
PR_SET_PDEATHSIG = 1  # prctl(2)
PIECES_AHEAD = 4  # for each worker, so that none waits


class ComputeOptions(Options):
    """Where work runs.

    `device`: `auto` takes a GPU where there is one. `precision`: of training and optimisation; `auto` is bfloat16 where
    the hardware computes in it. `workers`: processes for independent pieces; `auto` is one a core, or one for a GPU.
    `batch_size`: images in a forward pass without gradients. `cache`: folder of what was expensive to make.
    """

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    workers: int | Literal["auto"] = "auto"
    batch_size: int = Field(64, ge=1)
    cache: Path = Path("data/cache")


class DeviceError(FaceleakError):
    """The configuration asks for a device that this machine does not have."""


class WorkerError(FaceleakError):
    """A worker process died before it had a result."""


def pick_device(options: ComputeOptions) -> "torch.device":
    """Resolve `options.device`. Raises DeviceError where CUDA is asked for and absent."""
    import torch

    if options.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(options.device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"compute.device is {options.device!r}, but torch {torch.__version__} finds "
            f"{torch.cuda.device_count()} CUDA devices here. "
            "Set compute.device to `auto` or `cpu`, or install a CUDA build of torch."
        )
    return device


def training_dtype(options: ComputeOptions, device: "torch.device") -> "torch.dtype":
    """Pick the type that training and optimisation autocast to. Signals are always read in float32."""
    import torch

    if options.precision == "auto":
        native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_computes_bfloat16()
        return torch.bfloat16 if native else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[options.precision]


def _cpu_computes_bfloat16() -> bool:
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def worker_count(options: ComputeOptions, pieces: int) -> int:
    """Number of processes for independent pieces: one a core, or one where a GPU does the work."""
    if options.workers != "auto":
        return max(1, min(options.workers, pieces))
    if pick_device(options).type == "cuda":
        return 1
    return max(1, min(available_cores(), pieces))


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores() -> None:
    """Let threads of OpenMP sleep while they wait, which has to be said before torch is imported.

    By default they spin: beside another busy process two threads are then several times slower than one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks instead of returning them each step: up to half the CPU time of training."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def run_pieces(function: Callable[[Piece], Result], pieces: Sequence[Piece], options: ComputeOptions) -> list[Result]:
    """Apply `function` to every piece and return the results in order; pieces must not depend on each other.

    One worker runs them here, several in processes of their own that share the cores; a script that calls this needs
    the usual `if __name__ == "__main__":`. The first error, or an interrupt, ends the processes at once and is raised.
    Raises WorkerError where a process dies.
    """
    workers = worker_count(options, len(pieces))
    if workers == 1:
        return [function(piece) for piece in pieces]
    with _workers(workers) as executor:
        futures = [executor.submit(function, piece) for piece in pieces]
        for future in as_completed(futures):
            future.result()
        return [future.result() for future in futures]


def stream_pieces(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int
) -> Iterator[tuple[Piece, Result]]:
    """Apply `function` to pieces that do not fit in memory together: yield each with its result, in order.

    `workers` processes, or this one where it is 1. A few pieces a worker are held at any time. Errors as for
    `run_pieces`.
    """
    if workers == 1:
        yield from ((piece, function(piece)) for piece in pieces)
        return
    with _workers(workers) as executor:
        waiting: deque[tuple[Piece, Future[Result]]] = deque()
        for piece in pieces:
            waiting.append((piece, executor.submit(function, piece)))
            if len(waiting) > PIECES_AHEAD * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        yield from ((piece, future.result()) for piece, future in waiting)


@contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that share the cores; they are ended at once where the block ends by an error or an interrupt."""
    threads = max(1, available_cores() // count)
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with (
        _exported("OMP_NUM_THREADS", str(threads)),  # before they start, so that torch and BLAS both obey
        progress.collecting(context) as queue,
        ProcessPoolExecutor(count, context, _start_worker, (queue,)) as executor,
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


def _start_worker(queue: Any) -> None:
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent ends its workers itself
    keep_freed_memory()
    progress.report_to(queue)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if platform.system() != "Linux" or parent is None:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it died before the call
        os._exit(1)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let torch use one thread inside the block: with several, rounding depends on how many there are."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block and restore it, for libraries that take no generator."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
