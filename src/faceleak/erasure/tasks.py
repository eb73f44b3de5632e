"""Backbones after an erasure as cached tasks: made in parallel, keyed by their inputs, none made twice."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import CARD, load_backbone, save_backbone
from faceleak.backbones.training_task import HASHED
from faceleak.common.trees import flatten
from faceleak.defenses.tasks import what_of
from faceleak.erasure import registry
from faceleak.erasure.options import MethodOptions
from faceleak.erasure.request import Request
from faceleak.work.compute import ComputeOptions, run_tasks
from faceleak.work.tasks import code_version, fingerprint

ERASURE = "erasure"  # what a card's training says of it


class Run(NamedTuple):
    """One erasure of one draw of people, by one method with one seed."""

    draw: int
    method: str
    seed: int


@dataclass(frozen=True)
class ErasureTask:
    """One request, and the method by which it is answered."""

    request: Request
    options: MethodOptions
    seed: int

    @cached_property
    def folder(self) -> Path:
        """Where the backbone lies once it is there."""
        request, owner, settings = self.request, self.request.owner, self.options.checked_settings()
        images = owner.store.as_stored(request.images.sort_values(HASHED))[HASHED]
        training = None if owner.training is None else owner.training.options.model_dump()
        files = [value for value in flatten(settings.model_dump()).values() if isinstance(value, Path)]
        code = code_version(registry.module(self.options.method))
        parts = (self.options.method, settings, self.seed, sorted(request.erased), images, training, code, *files)
        return owner.compute.cache / "erasures" / fingerprint(*what_of(owner.backbone), *parts)

    @property
    def path(self) -> Path:
        """The file that is written last: once it is there, the backbone is."""
        return self.folder / CARD


def erasure_tasks(requests: Sequence[Request], methods: Sequence[MethodOptions]) -> dict[Run, ErasureTask]:
    """What is to be made: each request, in order of the draws, by each method with each of its seeds."""
    return {
        Run(draw, method.name, seed): ErasureTask(request, method, seed)
        for method in methods
        for draw, request in enumerate(requests)
        for seed in range(method.seeds)
    }


def make_erasures(tasks: Mapping[Run, ErasureTask], compute: ComputeOptions) -> dict[Run, Backbone]:
    """Make every backbone that is not in the cache yet, in parallel if there are cores; return all."""
    missing = {task.path: task for task in tasks.values() if not task.path.exists()}
    run_tasks(make_erasure, list(missing.values()), compute)
    return {run: load_backbone(task.folder) for run, task in tasks.items()}


def make_erasure(task: ErasureTask) -> None:
    """Erase and keep the result; its card says, under `erasure`, how long that took."""
    owner = task.request.owner
    request = replace(task.request, owner=replace(owner, compute=owner.compute.model_copy(update={"workers": 1})))
    started, method = time.process_time(), registry.get(task.options.method)
    erased = method.erase(request, task.options.checked_settings(), task.seed)
    seconds = round(time.process_time() - started, 3)
    told = {
        "method": task.options.method,
        "people": len(task.request.erased),
        "cpu_seconds": None if getattr(method, "MADE_ELSEWHERE", False) else seconds,
    }
    erased.card = erased.card.model_copy(update={"training": {**erased.card.training, ERASURE: told}})
    save_backbone(erased, task.folder)


def cpu_seconds(erased: Backbone) -> float:
    """Seconds of the CPU that the erasure took when it was made; NaN if it was made elsewhere."""
    seconds = erased.card.training[ERASURE]["cpu_seconds"]
    return math.nan if seconds is None else float(seconds)
