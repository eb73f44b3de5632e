"""Reconstruction as independent tasks, one an evaluation: in parallel, and none computed twice."""

import shutil
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from faceleak.reconstruction.objectives import registry as objectives
from faceleak.reconstruction.optimizers import registry as optimizers
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.priors.opening import identity_of
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.scorer import Scorer
from faceleak.work.compute import ComputeOptions, pick_device, run_tasks, training_dtype
from faceleak.work.tasks import code_version, fingerprint, remembered_arrays

STEPS = ("random", "best_random", "untrained_guided", "optimized")
Key = TypeVar("Key", bound=Hashable)
ByStep = dict[str, dict[str, Any]]  # step → `latents`, `pixels`, `scores` or `maximize` → array


@dataclass(frozen=True)
class ReconstructionTask:
    """One attacker against one view: the scorer is what the attacker reads off it."""

    scorer: Scorer
    prior: PriorOptions
    search: SearchOptions
    compute: ComputeOptions

    @property
    def path(self) -> Path:
        """Where the result lies once it is there: named by everything that it depends on."""
        scorer, search = self.scorer, self.search
        terms = (objectives.module(name) for name in search.objective)
        looked_up = (optimizers.module(search.optimizer), *terms, *scorer.code)
        code = code_version(__name__, *looked_up)
        backbones = [backbone.network_hash() for backbone in (scorer.backbone, *scorer.references)]
        parts = (backbones, scorer.signals, scorer.model.to_dict(), identity_of(self.prior), search)
        dtype = str(training_dtype(self.compute, pick_device(self.compute)))
        return self.compute.cache / "reconstructions" / f"{fingerprint(code, dtype, *parts)}.safetensors"


def reconstruct_all(
    tasks: Mapping[Key, ReconstructionTask], untrained: ReconstructionTask, compute: ComputeOptions
) -> dict[Key, ByStep]:
    """Reconstruct each task that is not in the cache yet: key → step → part → array.

    What the task `untrained` optimizes, guided by nothing of the target, is the step `untrained_guided` of each.
    """
    if not tasks:
        return {}
    distinct = {task.path: task for task in [*tasks.values(), untrained]}
    run_tasks(reconstruct_task, [task for path, task in distinct.items() if not path.exists()], compute)
    without_target = {"untrained_guided": reconstruct_task(untrained)["optimized"]}
    return {key: reconstruct_task(task) | without_target for key, task in tasks.items()}


def reconstruct_task(task: ReconstructionTask) -> ByStep:
    """Load the task's arrays from the cache, or make them: step → part → array.

    A search that was killed goes on after its last round.
    """
    from faceleak.reconstruction.objectives.objective import Objective
    from faceleak.reconstruction.priors import load_prior
    from faceleak.reconstruction.search import FILM, SEARCH_STEPS, Reconstructions, reconstruct

    def make() -> dict[str, Any]:
        device = pick_device(task.compute)
        objective = Objective(task.scorer.to(device), task.search.objective)
        dtype = training_dtype(task.compute, device)
        found = reconstruct(load_prior(task.prior, device), objective, task.search, device, dtype, remember)
        parts = {f"{step}/{part}": array for step, faces in found.items() for part, array in vars(faces).items()}
        return {name: array for name, array in parts.items() if array.size}

    rounds = task.path.with_suffix(".rounds")

    def remember(name: str, make_round: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return remembered_arrays(rounds / f"{name}.safetensors", make_round)

    arrays = remembered_arrays(task.path, make)
    shutil.rmtree(rounds, ignore_errors=True)
    parts = [field.name for field in fields(Reconstructions)]
    return {
        step: {part: arrays[name] for part in parts if (name := f"{step}/{part}") in arrays}
        for step in (*SEARCH_STEPS, FILM)
    }
