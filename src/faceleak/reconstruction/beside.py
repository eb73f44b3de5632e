"""Faces that stand beside a search, drawn with its prior and judged like its own: class centers, and what bounds it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.backbones.faces_input import to_tensor
from faceleak.reconstruction.arrays import INTENDED
from faceleak.reconstruction.drawing import draw_faces, pixels_of
from faceleak.reconstruction.priors import Prior, load_prior
from faceleak.reconstruction.priors.opening import identity_of
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.scorer import Scorer
from faceleak.work.compute import ComputeOptions, pick_device, run_tasks, training_dtype
from faceleak.work.tasks import code_version, fingerprint, remembered_arrays

Arrays = dict[str, NDArray[Any]]


class Beside(Protocol):
    """A task of work: faces drawn with a prior, by another way than the search.

    intended: (n,), the place of each face's person among the members in sorted order; None where nobody is meant.
    """

    @property
    def prior(self) -> PriorOptions: ...

    @property
    def compute(self) -> ComputeOptions: ...

    @property
    def intended(self) -> NDArray[np.intp] | None: ...

    @property
    def path(self) -> Path:
        """Where latents and pixels lie once they are there: named by everything that they depend on."""
        ...

    def latents(self, prior: Prior, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Latents (n, size); the prior computes in `dtype` where gradients are taken."""
        ...


def kept_at(task: Beside, folder: str, code: Iterable[str], *parts: Any) -> Path:
    """Where a task's result lies, by the modules of its code, its prior, its precision and `parts`."""
    dtype = str(training_dtype(task.compute, pick_device(task.compute)))
    name = fingerprint(code_version(*code), dtype, identity_of(task.prior), *parts)
    return task.compute.cache / folder / f"{name}.safetensors"


def draw_all(tasks: Iterable[Beside], compute: ComputeOptions) -> None:
    """Draw those that are not in the cache yet, side by side."""
    distinct = {task.path: task for task in tasks}
    run_tasks(draw, [task for path, task in distinct.items() if not path.exists()], compute)


def draw(task: Beside) -> Arrays:
    """Load latents and pixels from the cache, or make them."""

    def make() -> Arrays:
        device = pick_device(task.compute)
        prior = load_prior(task.prior, device)
        latents = task.latents(prior, device, training_dtype(task.compute, device))
        faces = draw_faces(prior, latents, task.compute.batch_size)
        return {"latents": latents.cpu().numpy(), "pixels": pixels_of(faces)}

    return remembered_arrays(task.path, make)


def beside(task: Beside, scorer: Scorer) -> Arrays:
    """`latents`, `pixels`, what the attack that guides a search says of them as `scores`, and `intended`, if any."""
    device, drawn = pick_device(task.compute), draw(task)
    scorer, size = scorer.to(device), task.compute.batch_size
    batches = [drawn["pixels"][start : start + size] for start in range(0, len(drawn["pixels"]), size)]
    with torch.inference_mode():
        scores = torch.cat([scorer.score(to_tensor(batch, device)) for batch in batches])
    meant = {} if task.intended is None else {INTENDED: task.intended}
    return drawn | {"scores": scores.cpu().numpy()} | meant
