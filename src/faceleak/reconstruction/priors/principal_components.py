"""Principal components of public faces as a prior: a face = mean + components · (scale · latent), cut off at 0 and 1.

They are fitted in a minute, and know what faces look like as far as it is linear. Latents are standard normal: in each
direction one is a standard deviation of the faces that they were fitted to.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from faceleak.backbones.placing import place_faces
from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore
from faceleak.reconstruction.latents import Ball
from faceleak.reconstruction.priors.options import PrincipalComponentsOptions
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.work.checksummed import load_arrays
from faceleak.work.compute import ComputeOptions
from faceleak.work.tasks import code_version, fingerprint, remembered_arrays

POWER_ITERATIONS = 4
NEXT_TO_NOTHING = 1e-6  # of the largest scale: there the faces do not vary, so that no latent stands for anything


@dataclass(frozen=True, eq=False)
class PrincipalComponentsTask:
    """Components to fit to `images`, which has the columns image_id and sha256. Memory grows with `options.images`."""

    store: FaceStore
    images: pd.DataFrame
    options: PrincipalComponentsOptions
    compute: ComputeOptions

    @cached_property
    def fitted_to(self) -> pd.DataFrame:
        """At most `options.images` of them, whatever the order of the rows."""
        return self.images.sort_values("sha256", ignore_index=True).head(self.options.images)

    @cached_property
    def path(self) -> Path:
        """Where the components lie once they are there: named by everything that they depend on."""
        stored = self.store.as_stored(self.fitted_to)[["sha256"]]
        options = self.options.model_dump(mode="json", exclude={"fitted"})
        name = fingerprint(stored, options, code_version(__name__))
        return self.compute.cache / "priors" / f"principal_components_{name}.safetensors"

    def fit(self) -> None:
        """Fit them by a randomized decomposition, unless they are there. Raises PriorError with too few images."""
        if self.options.count >= len(self.fitted_to):
            raise PriorError(
                f"reconstruction.prior.principal_components.count is {self.options.count}, but the role `public` has "
                f"{len(self.images)} images, of which {len(self.fitted_to)} are taken: so many faces have fewer "
                "components. Lower count, or give the role more people in faces.splits.roles.public."
            )
        remembered_arrays(self.path, self._components)

    def _components(self) -> dict[str, np.ndarray]:
        from sklearn.decomposition import PCA
        from threadpoolctl import threadpool_limits

        options, positions = self.options, self.store.positions(self.fitted_to["image_id"])
        faces = self.store.images(positions, Canvas.of(options.size)).transpose(0, 3, 1, 2)
        rows = faces.reshape(len(faces), -1).astype(np.float32) / 255
        with threadpool_limits(1):  # rounding depends on how many there are
            found = PCA(
                options.count,
                copy=False,
                svd_solver="randomized",
                iterated_power=POWER_ITERATIONS,
                random_state=options.seed,
            ).fit(rows)
        scale = np.sqrt(found.explained_variance_)
        arrays = {"mean": found.mean_, "components": found.components_, "scale": scale}
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


class PrincipalComponentsPrior:
    """`mean` (pixels,), `components` (count, pixels) and `scale` (count,) as a prior; pixels are 3·size²."""

    def __init__(self, arrays: dict[str, Tensor], size: int, device: torch.device) -> None:
        self._mean, self._components, self._scale = (
            arrays[name].to(device) for name in ("mean", "components", "scale")
        )
        self.latent_size, self._size = len(self._scale), size
        self.space = Ball(self.latent_size)

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, count) → faces (n, 3, size, size)."""
        rows = self._mean + (latents * self._scale) @ self._components
        return rows.view(-1, 3, self._size, self._size).clamp(0, 1)

    def encode(self, faces: Tensor) -> Tensor:
        """Faces (n, 3, h, w) in 0…1 → the latents (n, count) of their projections: none draws a face nearer to one."""
        rows = place_faces(faces, Canvas.of(self._size)).flatten(1) - self._mean
        varies = self._scale > NEXT_TO_NOTHING * self._scale.max()
        latents: Tensor = (rows @ self._components.T) * torch.where(varies, 1 / self._scale, 0.0)
        return latents


def load_components(options: PrincipalComponentsOptions, device: torch.device) -> PrincipalComponentsPrior:
    """Load fitted components. Raises PriorError where they are not there, or not of this count and size."""
    path = options.fitted
    if path is None or not path.is_file():
        raise PriorError(
            f"Principal components are not {'fitted' if path is None else f'at {path}'}: pipelines that draw with them "
            "fit them to public faces first (kedro run --pipelines=reconstruction), or `fitted` names the file."
        )
    arrays: dict[str, Tensor] = load_arrays(path, "pt")
    shape, expected = tuple(arrays["components"].shape), (options.count, 3 * options.size**2)
    if shape != expected:
        raise PriorError(f"{path} holds components of shape {shape}, but count and size ask for {expected}.")
    return PrincipalComponentsPrior(arrays, options.size, device)


def stand_in(options: PrincipalComponentsOptions, device: torch.device) -> PrincipalComponentsPrior:
    """Components that draw the same gray face of every latent, and take as long to do so as fitted ones."""
    pixels = 3 * options.size**2
    mean, components = torch.full((pixels,), 0.5), torch.zeros(options.count, pixels)
    arrays = {"mean": mean, "components": components, "scale": torch.ones(options.count)}
    return PrincipalComponentsPrior(arrays, options.size, device)
