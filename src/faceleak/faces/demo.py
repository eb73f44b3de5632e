"""The demo set: fictitious people drawn by the demo generator, reproducible from a seed, in any order and number."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceleak.faces.demo_generator import LATENT_SIZE, WEIGHTS_SHA256
from faceleak.faces.images import encode_jpeg
from faceleak.faces.options import DemoOptions
from faceleak.faces.store import Face, sha256_of
from faceleak.work.compute import ComputeOptions, run_tasks, seeded, single_threaded
from faceleak.work.progress import track
from faceleak.work.tasks import code_version, fingerprint

if TYPE_CHECKING:
    from torch import Tensor, nn

PEOPLE_PER_TASK = 25
MAXIMUM_ROTATION, MAXIMUM_SHIFT, MAXIMUM_SCALING = 8.0, 0.04, 0.06
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.25, 0.25, 0.2, 0.03
SENSOR_NOISE = 0.02


@dataclass(frozen=True)
class DemoFaces:
    """The people of one demo configuration, as a source for the packed store."""

    options: DemoOptions
    compute: ComputeOptions

    def fingerprint(self) -> str:
        return fingerprint(self.options, WEIGHTS_SHA256, code_version(__name__))

    def __len__(self) -> int:
        return self.options.people * self.options.images_per_person

    def __iter__(self) -> Iterator[Face]:
        starts = range(0, self.options.people, PEOPLE_PER_TASK)
        tasks = [(self.options, range(start, min(start + PEOPLE_PER_TASK, self.options.people))) for start in starts]
        for faces in run_tasks(_draw_people, tasks, self.compute):
            yield from faces


def _draw_people(task: tuple[DemoOptions, range]) -> list[Face]:
    options, people = task
    tracked = track(people, "Drawing demo people", len(people), "people")
    return [face for person in tracked for face in draw_person(options, person)]


def draw_person(options: DemoOptions, person: int) -> list[Face]:
    """Draw all images of one person; the result depends only on the options and the person's number."""
    with single_threaded():
        pixels = _with_nuisance(_generate(options, person), options, person)
    jpegs = [encode_jpeg(image) for image in pixels]
    height, width = pixels.shape[1:3]
    identity = f"person_{person:05d}"
    return [
        Face(f"{identity}/{i:03d}", identity, "demo", jpeg, width, height, sha256_of(jpeg))
        for i, jpeg in enumerate(jpegs)
    ]


def latent_of(options: DemoOptions, person: int) -> NDArray[np.float64]:
    """The latent (LATENT_SIZE,), standard normal, around which a person's images are drawn."""
    return _who_and_variation(options, person)[0]


def _who_and_variation(options: DemoOptions, person: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    random = np.random.default_rng([options.seed, person])
    return random.standard_normal(LATENT_SIZE), random.standard_normal((options.images_per_person, LATENT_SIZE))


def _generate(options: DemoOptions, person: int) -> "Tensor":
    import torch

    who, variation = _who_and_variation(options, person)
    s = options.image_variation
    latents = torch.from_numpy(np.sqrt(1 - s**2) * who + s * variation).float()
    with torch.inference_mode():
        images: Tensor = (_generator()(latents) + 1) / 2
    return images


def _with_nuisance(images: "Tensor", options: DemoOptions, person: int) -> "np.ndarray":
    with seeded(int(np.random.SeedSequence([options.seed, person]).generate_state(1)[0])):
        images = _nuisance(options.nuisance)(images).clamp(0, 1)
    pixels: np.ndarray = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return pixels


@cache
def _generator() -> "nn.Module":
    from faceleak.faces.demo_generator import load_demo_generator

    return load_demo_generator()


@cache
def _nuisance(strength: float) -> "nn.Module":
    from kornia import augmentation
    from torch import nn

    def scaled(*values: float) -> tuple[float, ...]:
        return tuple(strength * value for value in values)

    scaling = strength * MAXIMUM_SCALING
    return nn.Sequential(
        augmentation.ColorJitter(*scaled(BRIGHTNESS, CONTRAST, SATURATION, HUE), p=1.0),
        augmentation.RandomAffine(
            strength * MAXIMUM_ROTATION,
            scaled(MAXIMUM_SHIFT, MAXIMUM_SHIFT),
            (1 - scaling, 1 + scaling),
            p=1.0,
            padding_mode="border",
        ),
        augmentation.RandomGaussianNoise(std=SENSOR_NOISE * strength, p=1.0),
    )
