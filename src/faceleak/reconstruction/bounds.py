"""What bounds a search, whatever it maximizes: what its prior can draw at all, and what true directions would give.

`ceiling`: photos of members that were not trained on, drawn with the prior as nearly as it can: what a perfect attacker
would draw. `head_given`: the rows of the head that a headless release leaves out, inverted. Neither is an attack. Where
the ceiling is at 0, a search that finds nobody says something of the prior and nothing of the target.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

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
from faceleak.reconstruction.beside import kept_at
from faceleak.reconstruction.drawing import Maximized, draw_faces, gradient
from faceleak.reconstruction.options import CeilingOptions, HeadGivenOptions
from faceleak.reconstruction.priors import Prior
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.template_inversion import invert_towards
from faceleak.work.compute import ComputeOptions
from faceleak.work.progress import track

SMALL = 16  # pixels of a side, from which a start is guessed
RIDGE = 0.01  # of that guess, in relation to the spread of the small faces
HALVINGS = 3


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
        return kept_at(self, "ceilings", [__name__], stored, self.options)

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
        return kept_at(self, "inverted_heads", [__name__], self.backbone.network_hash(), rows, self.options)

    def latents(self, prior: Prior, device: torch.device, dtype: torch.dtype) -> Tensor:
        """As template inversion finds them."""
        return invert_towards(prior, self.backbone.to(device), self.rows.to(device), self.options, dtype)


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
