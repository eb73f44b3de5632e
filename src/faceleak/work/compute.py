"""The one place that decides where work runs: device, precision, threads, and the engine for independent tasks."""

import ctypes
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from faceleak.common.errors import FaceleakError
from faceleak.common.options import Options
from faceleak.work.processes import is_worker

if TYPE_CHECKING:
    import torch

Task = TypeVar("Task")
Result = TypeVar("Result")

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # mallopt(3)


class ComputeOptions(Options):
    """Where work runs.

    `devices` is only for `engine: local`; `address`, `gpu_share` and `retries` are only for `engine: ray`.
    """

    engine: Literal["local", "ray"] = "local"
    """`local`, processes on this machine, or `ray`, a Ray cluster."""
    address: str | None = Field(None, pattern=r"^[^\s:/]+:\d+$")
    """`<host>:<port>` of a Ray cluster; none starts one on this machine for the run."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where tensors lie; `auto` takes a GPU if there is one."""
    devices: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | Literal["auto"] = "auto"
    """Numbers of the GPUs to use, a process on each; `auto` takes all."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of training and optimization; `auto` is bfloat16 if the hardware computes in it."""
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Tasks at a time; `auto` is one a GPU or one a core, and with `ray` as many as there is room for."""
    threads: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Threads of a task; `auto` shares the cores out, and with `ray` is 1; the same number gives the same bits on
    whichever engine.
    """
    gpu_share: float = Field(1.0, gt=0, le=1)
    """What a task takes of a GPU."""
    retries: int = Field(3, ge=0)
    """How often a task runs again whose process or node died."""
    training_processes: int = Field(1, ge=1)
    """How many processes train one backbone together, on a GPU each; on the CPU, sharing the cores, only one without
    BN. `threads` are then those of each process, and a task to train takes so many workers.
    """
    batch_size: int = Field(64, ge=1)
    """Images in a forward pass without gradients."""
    shard_images: int = Field(65536, ge=1)
    """So many images of one backbone are read as one task; with another number they are read again."""
    cache: Path = Path("data/cache")
    """Folder of what was expensive to make."""

    @model_validator(mode="after")
    def _fit_the_engine(self) -> "ComputeOptions":
        if self.engine == "local":
            if self.address is not None:
                raise ValueError(f"address is {self.address!r}, but engine is `local`; set it to `ray`")
            if self.devices != "auto" and not re.fullmatch("auto|cuda", self.device):
                raise ValueError(
                    f"devices is {self.devices}, but device is {self.device!r}; set it to `auto` or `cuda`"
                )
            return self
        if find_spec("ray") is None:
            raise ValueError("engine is `ray`, which is not installed: pip install 'faceleak[ray]', or take `local`")
        if self.devices != "auto" or ":" in self.device:
            raise ValueError(
                "device and devices name GPUs, which Ray gives to tasks itself; set devices to `auto`, and "
                "device to `auto`, `cpu` or `cuda`"
            )
        return self


class DeviceError(FaceleakError):
    """The configuration asks for a device that this machine does not have."""


class WorkerError(FaceleakError):
    """A worker process died before it had a result."""


def pick_device(options: ComputeOptions) -> "torch.device":
    """Resolve `options.device`. Raises DeviceError if CUDA is asked for and absent."""
    import torch

    if options.device == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda" if options.device == "auto" else options.device)
    if isinstance(options.devices, list) and not is_worker():  # a worker sees only one GPU
        device = torch.device("cuda", options.devices[0])
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"compute.device is {options.device!r}, but torch {torch.__version__} finds "
            f"{torch.cuda.device_count()} CUDA devices here. "
            "Set compute.device to `auto` or `cpu`, or install a CUDA build of torch."
        )
    return device


def training_dtype(options: ComputeOptions, device: "torch.device") -> "torch.dtype":
    """Pick the type that training and optimization autocast to. Signals are always read in float32."""
    import torch

    if options.precision == "auto":
        native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_computes_bfloat16()
        return torch.bfloat16 if native else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[options.precision]


def _cpu_computes_bfloat16() -> bool:
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def worker_count(options: ComputeOptions, tasks: int, processes: int = 1) -> int:
    """Number of tasks at a time: one a GPU, or one a core, for each of its processes; on Ray, all that there are."""
    if options.workers != "auto":
        return max(1, min(options.workers, tasks))
    if options.engine == "ray":
        return max(1, tasks)
    return max(1, min((len(gpus(options)) or available_cores()) // processes, tasks))


def gpus(options: ComputeOptions) -> list[int]:
    """Numbers of the GPUs of this machine that tasks are spread over; none on a CPU.

    Raises DeviceError if one of `options.devices` is missing.
    """
    import torch

    device = pick_device(options)
    if device.type != "cuda":
        return []
    found = list(range(torch.cuda.device_count()))
    if isinstance(options.devices, list) and not is_worker():
        if missing := sorted(set(options.devices) - set(found)):
            raise DeviceError(f"compute.devices has {missing}, but the GPUs that torch finds here are {found}.")
        return options.devices
    return found if device.index is None else [device.index]


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores(options: ComputeOptions | None = None) -> None:
    """Let threads of OpenMP sleep while they wait, and be as many as the options say, before torch is imported.

    By default they spin: on a busy machine two threads are then several times slower than one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if options is not None and options.threads != "auto":
        os.environ["OMP_NUM_THREADS"] = str(options.threads)


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks instead of returning them each step: up to half the CPU time of training."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], options: ComputeOptions, processes: int = 1
) -> list[Result]:
    """Apply `function` to every task and return the results in order; tasks must not depend on each other.

    processes: that a task starts by `run_together`: it gets GPUs and cores for so many.

    Where they run is up to `options.engine`; tasks of a task run where it runs. The first error, or an interrupt,
    ends all others at once and is raised. Raises WorkerError if a process dies for good, and what the engine raises.
    """
    if not tasks:
        return []
    if options.engine == "ray" and not is_worker():
        from faceleak.work.engines import ray

        return ray.run(function, tasks, options, processes)
    from faceleak.work.engines import local

    return local.run(function, tasks, options, processes)


def run_together(function: Callable[[int], Result], options: ComputeOptions) -> list[Result]:
    """Apply `function` to 0, 1, … in `options.training_processes` at the same time, which may wait for each other.

    They run on this machine, each with a GPU of its own if there is one. The first error ends all at once.
    Raises DeviceError if GPUs are too few, WorkerError if a process dies.
    """
    from faceleak.work.engines import local

    return local.run_together(function, options)


def stream_tasks(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[tuple[Task, Result]]:
    """Apply `function` to tasks that do not fit in memory together: yield each with its result, in order.

    They run on this machine, which reads them: `workers` processes, or this one if it is 1. A few tasks a worker
    are held at any time. Errors as for `run_tasks`.
    """
    from faceleak.work.engines import local

    return local.stream(function, tasks, workers)


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
