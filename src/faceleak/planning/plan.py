"""The plan: works of the configured audit, rates, their sums, and whether the machine suffices."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from faceleak.planning import estimate
from faceleak.planning.options import PlanOptions
from faceleak.planning.rates import GIGABYTE, Rate, rates_for, workers_of
from faceleak.planning.sample import Sample
from faceleak.planning.work import Work

ADVICE = {
    "disk": "Free some space, or put compute.cache and `data` (conf/base/globals.yml) on a larger disk.",
    "memory": "Lower compute.workers or compute.batch_size, evaluate fewer images (maximum_images of faces.splits.roles"
    "), or read fewer people off references (membership.references.read_people) or fewer signals (membership.attacks "
    "with a calibration).",
}


def make_plan(works: Sequence[Work], sample: Sample, plan: PlanOptions) -> dict[str, Any]:
    """The plan as plain data: totals, lines, rates, warnings, machine. Raises PlanError."""
    rates = rates_for(works, sample, plan)
    workers = workers_of(sample.compute)
    lines = estimate.lines(works, rates, workers)
    totals = estimate.totals(lines, rates.memory_of_driver)
    free = _free(sample.compute.cache, plan)
    return {
        **estimate.as_tree(lines, totals),
        "rates": {"driver": _plain(rates.by_driver), "workers": _plain(rates.by_workers)},
        "machine": {
            "workers": workers,
            "seconds_to_start_workers": rates.start_of_workers,
            "cpu_seconds_to_start_workers": rates.cpu_of_start,
            "memory_of_driver": rates.memory_of_driver,
            "load": psutil.getloadavg()[0],
            **free,
        },
        "warnings": warnings_about(lines, totals, free),
    }


def count_roles(manifest: pd.DataFrame, splits: pd.DataFrame) -> dict[str, dict[str, int]]:
    """People and images of the whole store, and of each role."""
    groups = {"store": manifest, **dict(tuple(splits.groupby("role")))}
    return {str(role): {"people": rows["identity"].nunique(), "images": len(rows)} for role, rows in groups.items()}


def warnings_about(
    lines: Sequence[estimate.Line], totals: Mapping[str, estimate.Total], free: Mapping[str, float]
) -> list[str]:
    """Where disk or memory will not do, and for what."""
    found = []
    for scope, total in totals.items():
        for what, need, have in (
            ("disk", total.disk, free["free_disk"]),
            ("memory", total.memory, free["free_memory"]),
        ):
            if need > have:
                most = max(lines, key=lambda line: getattr(line, what))
                found.append(
                    f"{scope} needs {need / GIGABYTE:,.1f} GB of {what}, and {have / GIGABYTE:,.1f} GB are free. Most "
                    f"of it: {most.kind} ({most.pipeline}). {ADVICE[what]}"
                )
    return found


def _free(cache: Path, plan: PlanOptions) -> dict[str, float]:
    folder = next(path for path in (cache, *cache.absolute().parents) if path.exists())
    disk, memory = shutil.disk_usage(folder).free, psutil.virtual_memory().available
    return {
        "free_disk": plan.free_disk_gb * GIGABYTE if plan.free_disk_gb else float(disk),
        "free_memory": plan.free_memory_gb * GIGABYTE if plan.free_memory_gb else float(memory),
    }


def _plain(rates: Mapping[str, Rate]) -> dict[str, dict[str, Any]]:
    return {name: asdict(rate) for name, rate in rates.items()}
