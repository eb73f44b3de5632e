"""What bounds a search, whatever it maximizes: what its prior can draw at all, and what true directions would give.

`ceiling`: photos of members that were not trained on, drawn with the prior as nearly as it can: what a perfect attacker
would draw. `head_given`: the rows of the head that a headless release leaves out, inverted. Neither is an attack. Where
the ceiling is at 0, a search that finds nobody says something of the prior and nothing of the target.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.faces_input import to_tensor
from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore
from faceleak.reconstruction.arrays import INTENDED
from faceleak.reconstruction.drawing import Maximized, draw_faces, gradient, pixels_of
from faceleak.reconstruction.options import CeilingOptions, HeadGivenOptions
from faceleak.reconstruction.priors import Prior, load_prior
from faceleak.reconstruction.priors.opening import identity_of
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.template_inversion import invert_towards
from faceleak.work.compute import ComputeOptions, pick_device, run_tasks, training_dtype
from faceleak.work.progress import track
from faceleak.work.tasks import code_version, fingerprint, remembered_arrays

if TYPE_CHECKING:
    from faceleak.reconstruction.scorer import Scorer

SMALL = 16  # pixels of a side, from which a start is guessed
RIDGE = 0.01  # of that guess, in relation to the spread of the small faces
HALVINGS = 3

Arrays = dict[str, NDArray[Any]]


class Bound(Protocol):
    """A task of work: faces that are meant to show somebody, drawn with a prior and without the attack.

    intended: (n,), the place of each face's person among the members in sorted order.
    """

    @property
    def prior(self) -> PriorOptions: ...

    @property
    def compute(self) -> ComputeOptions: ...

    @property
    def intended(self) -> NDArray[np.intp]: ...

    @property
    def path(self) -> Path:
        """Where latents and pixels lie once they are there: named by everything that they depend on."""
        ...

    def latents(self, prior: Prior, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Latents (n, size); the prior computes in `dtype` where gradients are taken."""
        ...


@dataclass(frozen=True, eq=False)
class Ceiling:
    """Photos, one a person (image_id, sha256), to be drawn as nearly as the prior can."""

    store: FaceStore
    images: pd.DataFrame
    intended: NDArray[np.intp]
    prior: PriorOptions
    options: CeilingOptions
    compute: ComputeOptions

    @property
    def path(self) -> Path:
        """Where the result lies once it is there."""
        stored = self.store.as_stored(self.images)[["sha256"]]
        return _path(self, "ceilings", stored, self.options)

    def latents(self, prior: Prior, device: torch.device, dtype: torch.dtype) -> Tensor:
        """As `project` finds them."""
        shape = prior.faces(prior.space.draw(1, torch.Generator().manual_seed(0)).to(device)).shape
        positions = self.store.positions(self.images["image_id"])
        photos = to_tensor(self.store.images(positions, Canvas(shape[2], shape[3], "pad")), device)
        return project(prior, photos, self.options, dtype)


@dataclass(frozen=True, eq=False)
class HeadGiven:
    """Rows of the head (n, d), one a person, to be inverted."""

    backbone: Backbone
    rows: Tensor
    intended: NDArray[np.intp]
    prior: PriorOptions
    options: HeadGivenOptions
    compute: ComputeOptions

    @property
    def path(self) -> Path:
        """Where the result lies once it is there."""
        rows = hashlib.sha256(self.rows.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
        return _path(self, "inverted_heads", self.backbone.network_hash(), rows, self.options)

    def latents(self, prior: Prior, device: torch.device, dtype: torch.dtype) -> Tensor:
        """As template inversion finds them."""
        return invert_towards(prior, self.backbone.to(device), self.rows.to(device), self.options, dtype)


def _path(bound: Bound, folder: str, *parts: Any) -> Path:
    dtype = str(training_dtype(bound.compute, pick_device(bound.compute)))
    name = fingerprint(code_version(__name__), dtype, identity_of(bound.prior), *parts)
    return bound.compute.cache / folder / f"{name}.safetensors"


def draw_bounds(bounds: Iterable[Bound], compute: ComputeOptions) -> None:
    """Draw those that are not in the cache yet, side by side."""
    distinct = {bound.path: bound for bound in bounds}
    run_tasks(draw_bound, [bound for path, bound in distinct.items() if not path.exists()], compute)


def draw_bound(bound: Bound) -> Arrays:
    """Load latents and pixels from the cache, or make them."""

    def make() -> Arrays:
        device = pick_device(bound.compute)
        prior = load_prior(bound.prior, device)
        latents = bound.latents(prior, device, training_dtype(bound.compute, device))
        faces = draw_faces(prior, latents, bound.compute.batch_size)
        return {"latents": latents.cpu().numpy(), "pixels": pixels_of(faces)}

    return remembered_arrays(bound.path, make)


def beside(bound: Bound, scorer: "Scorer") -> Arrays:
    """`latents`, `pixels`, `intended`, and `scores`: what the attack that guides a search says of these faces."""
    device, drawn = pick_device(bound.compute), draw_bound(bound)
    scorer, size = scorer.to(device), bound.compute.batch_size
    batches = [drawn["pixels"][start : start + size] for start in range(0, len(drawn["pixels"]), size)]
    with torch.inference_mode():
        scores = torch.cat([scorer.score(to_tensor(batch, device)) for batch in batches])
    return drawn | {"scores": scores.cpu().numpy(), INTENDED: bound.intended}


def project(prior: Prior, photos: Tensor, options: CeilingOptions, dtype: torch.dtype = torch.float32) -> Tensor:
    """Latents (n, size) whose faces are nearest to photos (n, 3, h, w) of the size of the prior's faces, by pixels.

    A prior that can say so itself has `encode`. For others a linear map from small faces to latents, learnt on
    `options.candidates` random faces, gives the start, and Adam the rest: squared differences at four sizes. No network
    that recognizes faces takes part, so that whoever judges the result has not been asked before.
    """
    if hasattr(prior, "encode"):
        return cast("Callable[[Tensor], Tensor]", prior.encode)(photos)
    latents = _guess(prior, photos, options)
    optimizer = torch.optim.Adam([latents], lr=options.learning_rate, maximize=True)
    size, still = options.batch_size, torch.zeros_like
    for _ in track(range(options.steps), f"Projecting {len(latents)} photos", options.steps, "steps"):
        batches = zip(torch.split(latents, size), torch.split(photos, size), strict=True)
        parts = [gradient(prior, _alike(wanted), batch, still(batch), 0.0, dtype) for batch, wanted in batches]
        latents.grad = torch.cat(parts)
        optimizer.step()
        latents.copy_(prior.space.project(latents))
    return latents


def _guess(prior: Prior, photos: Tensor, options: CeilingOptions) -> Tensor:
    from sklearn.linear_model import Ridge

    drawn = prior.space.draw(options.candidates, torch.Generator().manual_seed(options.seed))
    batches = torch.split(drawn.to(photos), options.batch_size)
    small = torch.cat([_small(draw_faces(prior, batch, options.batch_size)) for batch in batches])
    penalty = RIDGE * float((small - small.mean(0)).square().sum(1).mean())
    found = Ridge(alpha=penalty).fit(small.numpy(), drawn.numpy()).predict(_small(photos).numpy())
    return prior.space.project(torch.from_numpy(np.asarray(found, np.float32)).to(photos))


def _small(faces: Tensor) -> Tensor:
    """Faces (n, 3, h, w) → rows (n, 3·SMALL²) on the CPU."""
    return functional.adaptive_avg_pool2d(faces, SMALL).flatten(1).cpu()


def _alike(wanted: Tensor) -> Maximized:
    return lambda faces, _: -_difference(faces, wanted)


def _difference(faces: Tensor, wanted: Tensor) -> Tensor:
    """Squared differences (n,), means over the pixels, summed over the whole size and its halvings."""
    found = (faces - wanted).square().mean((1, 2, 3))
    for _ in range(HALVINGS):
        faces, wanted = (functional.avg_pool2d(images, 2, ceil_mode=True) for images in (faces, wanted))
        found = found + (faces - wanted).square().mean((1, 2, 3))
    return found
