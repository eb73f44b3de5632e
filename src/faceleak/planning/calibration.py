"""Short measurements of what an audit does most, by as many processes as will share the machine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import pandas as pd

from faceleak.compute import ComputeOptions, available_cores, run_pieces, worker_count
from faceleak.faces.store import FaceStore
from faceleak.planning.configured import Audit
from faceleak.planning.measuring import measurements_here
from faceleak.planning.rates import Rate, mean, memory_so_far
from faceleak.planning.working import Sample, measurements_of_workers


@dataclass(frozen=True)
class Rates:
    """by_driver and by_workers: quantity → rate.

    start_of_workers: seconds until they begin. cpu_of_start: what that takes of the cores for all of them.
    """

    by_driver: Mapping[str, Rate]
    by_workers: Mapping[str, Rate]
    start_of_workers: float
    cpu_of_start: float
    memory_of_driver: float


@dataclass(frozen=True)
class _Calibration:
    """What one process measures."""

    audit: Audit
    store: FaceStore
    images: pd.DataFrame
    quantities: tuple[str, ...]


def calibrate(
    audit: Audit, store: FaceStore, images: pd.DataFrame, by_driver: Iterable[str], by_workers: Iterable[str]
) -> Rates:
    """Measure the quantities that the driver and the workers deal with. Raises PlanError for an unknown one."""
    here = _Calibration(audit, store, images, tuple(sorted(set(by_driver))))
    measured_here = _measure(here)
    there = replace(here, quantities=tuple(sorted(set(by_workers))))
    workers = min(workers_of(audit.compute), available_cores())
    if workers == 1:
        return Rates(measured_here, _measure(there), 0.0, 0.0, memory_so_far())
    started = perf_counter()
    measured = run_pieces(_measure_and_time, [there] * workers, audit.compute)
    start = perf_counter() - started - max(seconds for _, seconds, _ in measured)
    rates = mean([rates for rates, _, _ in measured])
    return Rates(measured_here, rates, start, sum(cpu for _, _, cpu in measured), memory_so_far())


def workers_of(compute: ComputeOptions) -> int:
    """As many as are configured, or what this machine takes."""
    return worker_count(compute, available_cores()) if compute.workers == "auto" else max(1, compute.workers)


def _measure_and_time(calibration: _Calibration) -> tuple[dict[str, Rate], float, float]:
    """Rates, the seconds that measuring them took, and the CPU seconds before that."""
    started, cpu = perf_counter(), process_time()
    return _measure(calibration), perf_counter() - started, cpu


def _measure(calibration: _Calibration) -> dict[str, Rate]:
    audit = calibration.audit
    with TemporaryDirectory() as folder:
        compute = audit.compute.model_copy(update={"cache": Path(folder), "workers": 1, "training_processes": 1})
        sample = Sample(calibration.store, calibration.images, compute)
        known = {**measurements_of_workers(audit, sample), **measurements_here(audit, sample)}
        return {name: known[name]() for name in calibration.quantities}
