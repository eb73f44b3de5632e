"""Generator against discriminator: one step of both, and everything that changes with it.

The discriminator sees real and generated faces, changed alike, so that it cannot learn the few by heart. Each change
happens with a probability of its own for each image, and all are differentiable, so that the generator learns through
them (arXiv 2006.06676); below a probability of about 0.8 they do not leak into what is generated.
"""

from copy import deepcopy
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from faceleak.reconstruction.prior_training.networks import Discriminator, FaceGenerator
from faceleak.reconstruction.prior_training.options import GanOptions
from faceleak.work.compute import seeded

SIGN_BATCHES = 4  # between two adaptations, as in the paper


def changed(faces: Tensor, probability: float) -> Tensor:
    """Faces (n, 3, h, w) in −1…1 → the same shape and range; draws from torch's global generator."""
    if probability == 0:
        return faces
    shown = (faces.float() + 1) / 2
    for change in _changes():
        chosen = torch.rand(len(faces), device=faces.device) < probability
        shown = torch.where(chosen[:, None, None, None], change(shown), shown)
    return shown * 2 - 1


@cache
def _changes() -> list[Any]:
    from kornia import augmentation as kornia

    return [
        kornia.RandomAffine(10, (0.125, 0.125), (0.85, 1.15), padding_mode="reflection", p=1.0),
        kornia.ColorJiggle(brightness=0.3, contrast=0.3, saturation=0.5, p=1.0),
        kornia.RandomErasing((0.02, 0.25), p=1.0),
    ]


class Adaptation:
    """The probability of a change, raised while the discriminator is surer of training images than it should be."""

    def __init__(self, target: float, images: int, start: float) -> None:
        self.target, self.images, self.probability = target, images, start
        self.overfitting = 0.0
        self._signs, self._shown, self._batches = 0.0, 0, 0

    def see(self, logits: Tensor) -> None:
        """Take in the answers to one batch of training images; adapt after every fourth."""
        self._signs += float(logits.detach().float().sign().mean())
        self._shown += len(logits)
        self._batches += 1
        if self._batches == SIGN_BATCHES:
            self.overfitting = self._signs / self._batches
            step = self._shown / self.images
            up = self.overfitting > self.target
            self.probability = min(1.0, max(0.0, self.probability + (step if up else -step)))
            self._signs, self._shown, self._batches = 0.0, 0, 0

    def state_dict(self) -> dict[str, float]:
        """All that changes."""
        return {name: value for name, value in vars(self).items() if name not in ("target", "images")}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from what `state_dict` gave."""
        if state.keys() != self.state_dict().keys():
            raise ValueError("not the state of an adaptation")
        vars(self).update(state)


LOSSES = ("generator_loss", "discriminator_loss", "memory_loss")
BETAS = (0.5, 0.999)
AVERAGE_RAMP = 0.05  # the half-life of the average is at most this share of the images shown so far (2006.06676)
SETTLING_BATCHES, SETTLING_BATCH = 16, 64  # latents from which the averaged generator's BN statistics are taken


class Gan:
    """Both networks, their optimizers, the generator's average and the adaptation of the discriminator's view."""

    def __init__(self, options: GanOptions, device: torch.device, dtype: torch.dtype) -> None:
        self.options, self.device, self.dtype = options, device, dtype
        with seeded(options.seed):
            generator = FaceGenerator(options.image_size, options.latent_size, options.generator_width)
            discriminator = Discriminator(options.image_size, options.discriminator_width)
        self.generator: FaceGenerator = self._placed(generator)
        self.discriminator: Discriminator = self._placed(discriminator)
        self.average = deepcopy(self.generator).requires_grad_(False)
        self.generator_optimizer = self._optimizer(self.generator)
        self.discriminator_optimizer = self._optimizer(self.discriminator)
        augmentation = options.augmentation
        self.adaptation = Adaptation(augmentation.overfitting, augmentation.adaptation_images, augmentation.start)

    def _placed(self, network: nn.Module) -> Any:
        return network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]

    def _optimizer(self, network: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), self.options.learning_rate, BETAS)

    def step(self, real: Tensor, quarter: int, images_shown: int) -> Tensor:
        """Train the discriminator on real images (n, 3, size, size) in −1…1 and as many generated ones, then the other.

        Both steps see the same generated images, as in the code of 2101.04775. Draws from torch's global generator.
        Returns the `LOSSES` (3,).
        """
        latents = torch.randn(len(real), self.options.latent_size).to(self.device)
        with self._autocast():
            generated = self.generator(latents)
        shown_real = changed(real, self.adaptation.probability)
        shown = changed(generated.float(), self.adaptation.probability)
        judged, memory = self._train_discriminator(shown_real, shown.detach(), quarter)
        deceived = self._train_generator(shown)
        self._update_average(images_shown)
        return torch.stack([deceived, judged, memory])

    def _train_discriminator(self, real: Tensor, generated: Tensor, quarter: int) -> tuple[Tensor, Tensor]:
        with self._autocast():
            logits, memory = self.discriminator.remember(real, quarter)
            logits_generated = self.discriminator(generated)
            judged = functional.relu(1 - logits).mean() + functional.relu(1 + logits_generated).mean()
        self.discriminator_optimizer.zero_grad()
        torch.autograd.backward(judged + memory)
        self.discriminator_optimizer.step()
        self.adaptation.see(logits)
        return judged.detach().float(), memory.detach().float()

    def _train_generator(self, generated: Tensor) -> Tensor:
        self.discriminator.requires_grad_(False)
        with self._autocast():
            deceived: Tensor = -self.discriminator(generated).mean()
        self.generator_optimizer.zero_grad()
        torch.autograd.backward(deceived)
        self.generator_optimizer.step()
        self.discriminator.requires_grad_(True)
        return deceived.detach().float()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    @torch.no_grad()
    def _update_average(self, images_shown: int) -> None:
        half_life = min(self.options.average_images, AVERAGE_RAMP * images_shown)
        kept = 0.5 ** (self.options.batch_size / half_life)
        for averaged, current in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            averaged.lerp_(current, 1 - kept)

    def settled(self) -> FaceGenerator:
        """The averaged generator, with BN statistics of its own instead of those of weights along the way."""
        settled: FaceGenerator = deepcopy(self.average)
        random = torch.Generator().manual_seed(self.options.seed)
        shape = (SETTLING_BATCHES, SETTLING_BATCH, self.options.latent_size)
        with torch.no_grad():
            update_bn(torch.randn(shape, generator=random).to(self.device), settled)
        settled.eval()
        return settled

    def _parts(self) -> dict[str, Any]:
        names = ("generator", "discriminator", "average", "generator_optimizer", "discriminator_optimizer")
        return {name: getattr(self, name) for name in (*names, "adaptation")}

    def state_dict(self) -> dict[str, Any]:
        """All that changes."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
