"""Generator against discriminator: one step of both, and everything that changes with it."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from faceleak.reconstruction.prior_training.augmentation import Adaptation, changed
from faceleak.reconstruction.prior_training.discriminator import Discriminator
from faceleak.reconstruction.prior_training.generator import FaceGenerator
from faceleak.reconstruction.prior_training.options import GanOptions
from faceleak.work.compute import seeded

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
