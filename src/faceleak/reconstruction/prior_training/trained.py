"""A prior that was trained here: weights as safetensors, the card as JSON."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from faceleak.common.errors import kedro_run
from faceleak.common.options import Options
from faceleak.reconstruction.latents import Sphere
from faceleak.reconstruction.prior_training.networks import FaceGenerator
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.work.checksummed import SealError, check_version, load_arrays, save_arrays
from faceleak.work.compute import seeded
from faceleak.work.tasks import fingerprint, writing

WEIGHTS, CARD = "prior.safetensors", "prior.json"
CARD_VERSION = 1


class TrainedPriorError(PriorError):
    """There is no trained prior in a folder, or its files do not belong together."""


class PriorCard(Options):
    """What has to be known to build the generator, what it was trained on, and how its last round went."""

    version: Literal[1] = 1
    """Version of the card's format."""
    image_size: Literal[64, 128, 256]
    """Side of a face in pixels."""
    latent_size: int = Field(ge=1)
    """Numbers in a latent."""
    width: int = Field(ge=1)
    """Channels of the generator at 64 pixels."""
    training: dict[str, Any] = Field(default_factory=dict)
    """What it was trained on."""
    state: dict[str, float] = Field(default_factory=dict)
    """How its last round went: images_shown; generator_loss, discriminator_loss and memory_loss (means); augmentation,
    the probability in 0…1 of each change; overfitting, the mean sign in −1…1 of the discriminator's answers to training
    images.
    """


class TrainedPrior:
    """A generator of faces like those of the people with the role `public`. Latents are standard normal."""

    def __init__(self, generator: FaceGenerator, card: PriorCard) -> None:
        self.generator = generator.eval().requires_grad_(False)
        self.card = card
        self.latent_size = card.latent_size
        self.space = Sphere(card.latent_size)

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, latent_size) → faces (n, 3, image_size, image_size), RGB in 0…1, differentiable."""
        images: Tensor = self.generator(latents)
        return (images + 1) / 2

    def samples(self, count: int, seed: int, batch_size: int = 64) -> NDArray[np.uint8]:
        """RGB pixels (count, size, size, 3) of standard normal latents that the seed alone decides."""
        device = next(self.generator.parameters()).device
        latents = torch.randn(count, self.latent_size, generator=torch.Generator().manual_seed(seed)).to(device)
        with torch.inference_mode():
            faces = torch.cat([self.faces(batch) for batch in torch.split(latents, batch_size)])
        pixels: NDArray[np.uint8] = (faces * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return pixels

    def to(self, device: torch.device) -> "TrainedPrior":
        """The same prior on `device`."""
        self.generator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self


def save_trained_prior(prior: TrainedPrior, folder: Path) -> None:
    """Write weights and card into `folder`, each whole or not at all, the card last."""
    with writing(folder / WEIGHTS) as partial:
        save_arrays(partial, prior.generator.state_dict())
    with writing(folder / CARD) as partial:
        partial.write_text(prior.card.model_dump_json(indent=2) + "\n")


def load_trained_prior(folder: Path, device: torch.device) -> TrainedPrior:
    """Load what `save_trained_prior` wrote. Raises TrainedPriorError."""
    card = read_prior_card(folder)
    with seeded(0):  # the initial weights are overwritten, and the global generator is not to notice
        generator = FaceGenerator(card.image_size, card.latent_size, card.width)
    try:
        generator.load_state_dict(load_arrays(folder / WEIGHTS, "pt", delete=folder))
    except RuntimeError as error:
        raise TrainedPriorError(
            f"{folder / WEIGHTS} does not hold the weights that {CARD} beside it describes: {error}. Train the prior "
            f"again: {kedro_run('prior')}"
        ) from error
    return TrainedPrior(generator, card).to(device)


def read_prior_card(folder: Path) -> PriorCard:
    """Read the card of a trained prior. Raises TrainedPriorError."""
    path = folder / CARD
    if not path.is_file():
        raise TrainedPriorError(
            f"There is no trained prior in {folder} ({CARD} is missing). Train one: {kedro_run('prior')}"
        )
    try:
        content = json.loads(path.read_text())
        check_version(path, content.get("version"), CARD_VERSION, f"Delete {folder} and train the prior again.")
        return PriorCard.model_validate(content)
    except SealError:
        raise
    except (AttributeError, ValueError) as error:  # no text, no JSON, or not the fields of a card
        raise TrainedPriorError(f"{path} is not the card of a prior: {error}") from error


def trained_prior_hash(folder: Path) -> str:
    """Which prior lies in `folder`, for the names of what is made with it. Raises TrainedPriorError."""
    card = read_prior_card(folder)
    if not (folder / WEIGHTS).is_file():
        raise TrainedPriorError(f"{folder / WEIGHTS} is missing. Train the prior again: {kedro_run('prior')}")
    return fingerprint(folder / WEIGHTS, card)
