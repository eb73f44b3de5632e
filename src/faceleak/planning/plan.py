"""The plan: works of the configured audit, rates, what they come to, and whether the machine will do."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from faceleak.faces.store import FaceStore
from faceleak.planning import estimate
from faceleak.planning.attack_work import attack_work, faces_work
from faceleak.planning.calibration import Rates, calibrate, workers_of
from faceleak.planning.configured import Audit
from faceleak.planning.defense_work import defense_work
from faceleak.planning.errors import PlanError
from faceleak.planning.options import PlanOptions
from faceleak.planning.rates import GIGABYTE, Rate, stated
from faceleak.planning.repeats_work import repeats_work
from faceleak.planning.sample import sample_faces
from faceleak.planning.work import Work

Found = Mapping[tuple[str, str], int]  # pipeline and kind → pieces that are there


def make_plan(audit: Audit, plan: PlanOptions, store: FaceStore | None, found: Found) -> dict[str, Any]:
    """The plan as plain data: totals, lines, rates, warnings, machine.

    store: the faces, if they are packed. found: how many pieces of each kind are there. Raises PlanError.
    """
    with TemporaryDirectory() as folder:
        canvas = audit.of_target.card.preprocessing.canvas
        faces, images = sample_faces(store, audit.faces, canvas, Path(folder))
        image_bytes = float(np.mean([len(faces.jpeg(row)) for row in range(min(len(faces), len(images)))])) + 150
        works = with_found(works_of(audit, image_bytes), found)
        rates = rates_for(works, audit, plan, faces, images)
    workers = workers_of(audit.compute)
    lines = estimate.lines(works, rates, workers)
    totals = estimate.totals(lines, rates.memory_of_driver)
    free = _free(audit, plan)
    return {
        **estimate.as_tree(lines, totals),
        "counts": {"store": asdict(audit.counts.store), **{name: asdict(n) for name, n in audit.counts.roles.items()}},
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


def works_of(audit: Audit, image_bytes: float) -> list[Work]:
    """All works of the audit, in the order in which they run. image_bytes: of an image in the store."""
    return [*faces_work(audit, image_bytes), *attack_work(audit), *repeats_work(audit), *defense_work(audit)]


def with_found(works: Sequence[Work], found: Found) -> list[Work]:
    """Fill in what is there, the first works of a kind first."""
    left, filled = dict(found), []
    for work in works:
        key = (work.pipeline, work.kind)
        there = min(work.pieces, left.get(key, 0)) if work.kept else 0
        left[key] = left.get(key, 0) - there
        filled.append(replace(work, there=there))
    return filled


def rates_for(works: Sequence[Work], audit: Audit, plan: PlanOptions, store: FaceStore, images: Any) -> Rates:
    """Measure what the missing pieces take, but for what is stated. Raises PlanError for a rate of nothing."""
    needed = [(work, cost) for work in works for cost in work.costs]
    known = sorted({cost.quantity for _, cost in needed})
    if unknown := sorted(set(plan.rates) - set(known)):
        raise PlanError(f"plan.rates has {', '.join(unknown)}; this audit takes {', '.join(known)}.")
    given = {name: stated(options) for name, options in plan.rates.items()}
    measured = [(work, cost) for work, cost in needed if cost.quantity not in given and work.missing]
    rates = calibrate(
        audit,
        store,
        images,
        [cost.quantity for work, cost in measured if not estimate.is_of_workers(work, cost)],
        [cost.quantity for work, cost in measured if estimate.is_of_workers(work, cost)],
    )
    nothing = dict.fromkeys(known, Rate(1.0, 1.0, 0.0, 0.0, "not needed: all pieces are there"))
    return replace(
        rates,
        by_driver={**nothing, **rates.by_driver, **given},
        by_workers={**nothing, **rates.by_workers, **given},
    )


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


ADVICE = {
    "disk": "Free some space, or put compute.cache and `data` (conf/base/globals.yml) on a larger disk.",
    "memory": "Lower compute.workers or compute.batch_size, evaluate fewer images (maximum_images of faces.splits.roles"
    "), or read fewer people off references (membership.references.read_people) or fewer signals (membership.attacks "
    "with a calibration).",
}


def _free(audit: Audit, plan: PlanOptions) -> dict[str, float]:
    folder = next(path for path in (audit.compute.cache, *audit.compute.cache.absolute().parents) if path.exists())
    disk, memory = shutil.disk_usage(folder).free, psutil.virtual_memory().available
    return {
        "free_disk": plan.free_disk_gb * GIGABYTE if plan.free_disk_gb else float(disk),
        "free_memory": plan.free_memory_gb * GIGABYTE if plan.free_memory_gb else float(memory),
    }


def _plain(rates: Mapping[str, Rate]) -> dict[str, dict[str, Any]]:
    return {name: asdict(rate) for name, rate in rates.items()}
