"""Rates: what a unit of each quantity takes, by a measurement on this machine or by a stated assumption."""

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from faceleak.planning.options import RateOptions

GIGABYTE = 1e9


@dataclass(frozen=True)
class Rate:
    """A unit takes `seconds`, of which the cores are busy for `cpu_seconds` in all; a piece `start` seconds besides.

    memory: bytes of the process that does it. how: the measurement or the assumption behind it.
    """

    seconds: float
    cpu_seconds: float
    start: float
    memory: float
    how: str


@dataclass(frozen=True)
class Timing:
    """What so many units took."""

    units: float
    seconds: float
    cpu_seconds: float


def timed(units: float, work: Callable[[], object]) -> Timing:
    """Do `work`, which is so many units of something, and time it."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(units, time.perf_counter() - wall, time.process_time() - cpu)


def rate_of(few: Timing, many: Timing, how: str) -> Rate:
    """The line through two timings; where the longer one was no slower, its mean, and nothing for the start."""
    more = many.units - few.units
    seconds, cpu = (many.seconds - few.seconds) / more, (many.cpu_seconds - few.cpu_seconds) / more
    if seconds <= 0 or cpu <= 0:
        seconds, cpu = many.seconds / many.units, many.cpu_seconds / many.units
    start = max(0.0, few.seconds - seconds * few.units)
    return Rate(seconds, cpu, start, memory_so_far(), f"measured: {how}")


def memory_so_far() -> float:
    """Most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def stated(options: RateOptions) -> Rate:
    """The rate as the configuration states it; of the cores it says nothing, so that they count as busy."""
    seconds = 1 / options.per_second
    return Rate(seconds, seconds, 0.0, options.memory_gb * GIGABYTE, f"stated: {options.source}")


def mean(rates: "list[Mapping[str, Rate]]") -> dict[str, Rate]:
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
