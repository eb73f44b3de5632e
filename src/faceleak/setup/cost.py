"""What stage 1 will cost by an environment that was just written: the plan of its pipelines, measured in seconds."""

import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faceleak.common.words import counted
from faceleak.faces.store import STATED_ROLE
from faceleak.planning.sample import StatedFaces

if TYPE_CHECKING:
    from faceleak.runs.configuration import Parameters

PATIENCE = 1.0  # seconds that a measurement may take, about


@dataclass(frozen=True)
class FoundImages(StatedFaces):
    """As many people and images as were found. found: images that each person has, by stated role if there is any."""

    found: Mapping[str | None, Counter[str]]

    def manifest(self) -> pd.DataFrame:
        """One row an image, with the stated role where there is one."""
        rows = [
            (identity, role)
            for role, people in self.found.items()
            for identity, images in people.items()
            for _ in range(images)
        ]
        table = pd.DataFrame(rows, columns=["identity", STATED_ROLE])
        table = table.assign(image_id=np.arange(len(rows)), sha256=np.arange(len(rows)))
        return table.drop(columns=STATED_ROLE) if None in self.found else table


def estimate(parameters: "Parameters", found: Mapping[str | None, Counter[str]]) -> str:
    """Return in words what stage 1 will take on this machine. Raises FaceleakError where that cannot be told.

    found: images that each person has, by stated role if there is any.
    """
    log = logging.getLogger("faceleak")
    level = log.level
    log.setLevel(logging.ERROR)  # nodes that are only asked what they would do have nothing to warn of
    try:
        return _estimate(parameters, found)
    finally:
        log.setLevel(level)


def _estimate(parameters: "Parameters", found: Mapping[str | None, Counter[str]]) -> str:
    from faceleak.auditing.faces import split_faces
    from faceleak.pipelines import faces, membership, target
    from faceleak.pipelines.plan.walk import walk
    from faceleak.planning import estimate as totals
    from faceleak.planning.networks import Network
    from faceleak.planning.options import PlanOptions
    from faceleak.planning.rates import rates_for, workers_of
    from faceleak.planning.sample import BESIDES_THE_JPEG, Sample, sample_faces
    from faceleak.planning.tasks import Audit, Tasks
    from faceleak.reporting.terminal import duration, size
    from faceleak.work.compute import single_threaded

    audit = Audit(**{name: getattr(parameters, name) for name in Audit.__dataclass_fields__})
    alone, workers = audit.compute.model_copy(update={"workers": 1}), workers_of(audit.compute)
    with TemporaryDirectory() as folder, single_threaded() if workers > 1 else nullcontext():
        canvas = Network.of_target(audit.target).card.preprocessing.canvas
        drawn = sample_faces(None, audit.faces, canvas, Path(folder))
        sample = Sample(*drawn, alone, audit.membership.signals(), PATIENCE)
        people, images = len(set().union(*found.values())), sum(map(Counter.total, found.values()))
        bytes_of_one = float(np.mean(list(map(len, sample.jpegs())))) + BESIDES_THE_JPEG
        store = FoundImages(people, images, bytes_of_one, found)
        parts = {"faces": faces, "target": target, "membership": membership}
        pipelines = {name: part.create_pipeline() for name, part in parts.items()}
        works = walk(pipelines, Tasks(audit, store, split_faces(store.manifest(), audit.faces)))
        rates = rates_for(works, sample, PlanOptions())
    lines = totals.lines(works, rates, workers)
    clock, cores, disk = (sum(getattr(line, of) for line in lines) for of in ("seconds", "cpu_seconds", "disk"))
    most = max(lines, key=lambda line: line.seconds)
    return (
        f"stage 1 (faces, target, membership) will take roughly {duration(clock)} on this machine, as busy as it is, "
        f"with {counted(workers, 'worker')}: {duration(cores)} of all cores together, and {size(disk)} of disk. Most "
        f"of it, {duration(most.seconds)}: {most.kind}."
    )
