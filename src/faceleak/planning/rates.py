"""Rates: what a unit of each quantity takes, measured on this machine, or stated, or assumed."""

import resource
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from faceleak.planning.options import PlanError, PlanOptions, RateOptions
from faceleak.planning.sample import Sample
from faceleak.planning.work import Cost, Quantity, Work
from faceleak.work.compute import ComputeOptions, available_cores, run_tasks, worker_count
from faceleak.work.progress import track

GIGABYTE = 1e9


@dataclass(frozen=True)
class Rate:
    """A unit takes `seconds` by the clock and `cpu_seconds` of all cores together; a task takes `start` seconds more.

    memory: bytes of the process that does it. how: the measurement or the assumption behind it. needed: whether tasks
    that take it are still to be made; otherwise the numbers say nothing.
    """

    seconds: float
    cpu_seconds: float
    start: float
    memory: float
    how: str
    needed: bool = True


@dataclass(frozen=True)
class Timing:
    """What so many units took."""

    units: float
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Rates:
    """by_driver and by_workers: name of a quantity → rate.

    start_of_workers: seconds until they begin. cpu_of_start: what that takes of the cores for all of them.
    """

    by_driver: Mapping[str, Rate]
    by_workers: Mapping[str, Rate]
    start_of_workers: float
    cpu_of_start: float
    memory_of_driver: float


def timed(units: float, work: Callable[[], object]) -> Timing:
    """Do `work`, which is so many units of something, and time it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(units, time.perf_counter() - wall, time.process_time() - cpu)


def rate_of(few: Timing, many: Timing, how: str) -> Rate:
    """The line through two timings; if the longer one was no slower, its mean, and nothing for the start."""
    more = many.units - few.units
    seconds, cpu = (many.seconds - few.seconds) / more, (many.cpu_seconds - few.cpu_seconds) / more
    if seconds <= 0 or cpu <= 0:
        seconds, cpu = many.seconds / many.units, many.cpu_seconds / many.units
    start = max(0.0, few.seconds - seconds * few.units)
    return Rate(seconds, cpu, start, memory_so_far(), f"measured: {how}")


def mean_rate(done: Timing, how: str) -> Rate:
    """What a unit took on average, the start among it."""
    return Rate(done.seconds / done.units, done.cpu_seconds / done.units, 0.0, memory_so_far(), f"measured: {how}")


def memory_so_far() -> float:
    """Most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def is_of_workers(work: Work, cost: Cost) -> bool:
    """Whether workers do this part of the work side by side, and not the driver."""
    return bool(work.pool) or cost.shards > 1


def workers_of(compute: ComputeOptions) -> int:
    """As many as are configured, or what this machine takes."""
    return worker_count(compute, available_cores()) if compute.workers == "auto" else max(1, compute.workers)


def rates_for(works: Iterable[Work], sample: Sample, plan: PlanOptions) -> Rates:
    """Measure what the missing tasks take, but for what is stated. Raises PlanError for a rate of nothing."""
    needed = [(work, cost) for work in works for cost in work.costs]
    known = sorted({cost.quantity.name for _, cost in needed})
    if unknown := sorted(set(plan.rates) - set(known)):
        raise PlanError(f"plan.rates has {', '.join(unknown)}; this audit takes {', '.join(known)}.")
    given = {name: _stated(options) for name, options in plan.rates.items()}
    of_driver, of_workers = dict[str, Quantity](), dict[str, Quantity]()
    for work, cost in needed:
        if cost.quantity.name not in given and work.missing:
            (of_workers if is_of_workers(work, cost) else of_driver).setdefault(cost.quantity.name, cost.quantity)
    nothing = dict.fromkeys(known, Rate(1.0, 1.0, 0.0, 0.0, "not needed: all tasks are there", needed=False))
    by_driver = _measure((sample, of_driver))
    workers = min(workers_of(sample.compute), available_cores())
    by_workers, start, cpu = _side_by_side(sample, of_workers, workers)
    return Rates({**nothing, **by_driver, **given}, {**nothing, **by_workers, **given}, start, cpu, memory_so_far())


def _side_by_side(
    sample: Sample, quantities: Mapping[str, Quantity], workers: int
) -> tuple[dict[str, Rate], float, float]:
    """Rates by so many processes at once, the seconds that they took to start, and what that took of the cores."""
    if workers == 1:
        return _measure((sample, quantities)), 0.0, 0.0
    started = time.perf_counter()
    measured = run_tasks(_measure_and_time, [(sample, quantities)] * workers, sample.compute)
    start = time.perf_counter() - started - max(seconds for _, seconds, _ in measured)
    return _mean([rates for rates, _, _ in measured]), start, sum(cpu for _, _, cpu in measured)


def _measure_and_time(task: tuple[Sample, Mapping[str, Quantity]]) -> tuple[dict[str, Rate], float, float]:
    """Rates, the seconds that measuring them took, and the CPU seconds before that."""
    started, cpu = time.perf_counter(), time.process_time()
    return _measure(task), time.perf_counter() - started, cpu


def _measure(task: tuple[Sample, Mapping[str, Quantity]]) -> dict[str, Rate]:
    sample, quantities = task
    with TemporaryDirectory() as folder:
        compute = sample.compute.model_copy(update={"cache": Path(folder), "workers": 1, "training_processes": 1})
        alone = replace(sample, compute=compute)
        names = track(sorted(quantities), "Measuring how fast this machine is", len(quantities), "rates")
        return {name: quantities[name].measure(alone) for name in names}


def _mean(rates: list[dict[str, Rate]]) -> dict[str, Rate]:
    """The mean over processes that measured the same side by side; of memory the most."""
    number = len(rates)
    return {
        name: Rate(
            sum(rate[name].seconds for rate in rates) / number,
            sum(rate[name].cpu_seconds for rate in rates) / number,
            sum(rate[name].start for rate in rates) / number,
            max(rate[name].memory for rate in rates),
            first.how + (f", by {number} processes at once" if number > 1 else ""),
        )
        for name, first in rates[0].items()
    }


def _stated(options: RateOptions) -> Rate:
    """The configured rate; it states no share of the cores, so 100 % is assumed."""
    seconds = 1 / options.per_second
    return Rate(seconds, seconds, 0.0, options.memory_gb * GIGABYTE, f"stated: {options.source}")
