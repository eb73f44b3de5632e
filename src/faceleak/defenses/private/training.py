"""DP-SGD from a public start: per-unit gradients by Opacus' hooks; draws, clipping, noise and accounting of our own.

Every step draws units by Poisson sampling, clips each unit's mean gradient over all trained parameters, the head's
among them, adds Gaussian noise of standard deviation σ·clipping_norm to the sum, and divides by the expected (not the
actual) number of units. Same seed, same result, interrupted or not.

Noise comes from torch's generator, in float32: not a cryptographic one, and without protection against attacks on the
last bits of floating-point numbers (Mironov 2012).
"""

import secrets
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from opacus.accountants import PRVAccountant
from torch import Tensor, nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.faces_input import to_tensor
from faceleak.backbones.training_options import TrainingOptions
from faceleak.defenses.private.accounting import default_delta, describe, epsilon_spent, noise_multiplier
from faceleak.defenses.private.checks import buffers_of, check_buffers, check_modes, check_sampling
from faceleak.defenses.private.clipping import add_noise, clipped_sum, unit_gradients
from faceleak.defenses.private.errors import PrivateTrainingError
from faceleak.defenses.private.network import (
    CosineHead,
    arcface_losses,
    choose_trainable,
    plain_weights,
    training_mode,
    with_frozen_norms,
)
from faceleak.defenses.private.sampling import DrawRecord, PoissonSampler, Units, choose_images, views, whole_units
from faceleak.defenses.private.settings import PrivateSettings
from faceleak.faces.store import FaceStore
from faceleak.work.checkpointed import Resumable
from faceleak.work.compute import ComputeOptions, pick_device

STEPS_PER_CHECKPOINT = 20


class PrivateRun(Resumable):
    """Private training from step to step. Its checkpoint holds private draws, and goes once training has ended."""

    def __init__(
        self,
        start: Backbone,
        units: Units,
        store: FaceStore,
        settings: PrivateSettings,
        loss: TrainingOptions,
        compute: ComputeOptions,
        seed: int,
    ) -> None:
        self.start, self.units, self.store = start, units, store
        self.settings, self.loss, self.compute = settings, loss, compute
        self.device = pick_device(compute)
        self.random = torch.Generator().manual_seed(secrets.randbits(63) if settings.secret_seed else seed)
        if settings.units_per_step > len(units):
            raise PrivateTrainingError(
                f"units_per_step is {settings.units_per_step:g}, and there are {len(units)} units ({settings.unit}). "
                "Lower it, or train on more."
            )
        self.sampler = PoissonSampler(len(units), settings.units_per_step / len(units), self.random)
        self.record = DrawRecord(torch.zeros(len(units), dtype=torch.int64))
        self.accountant = PRVAccountant()
        self.delta = settings.delta or default_delta(len(units))
        self.noise_multiplier = 0.0
        if settings.epsilon is not None:
            self.noise_multiplier = noise_multiplier(settings.epsilon, self.delta, self.sampler.rate, settings.steps)
        # Opacus 1.6 takes channels-last input of a trained convolution for contiguous: gradients would be wrong.
        self.layout = torch.contiguous_format if settings.trainable == "all" else start.layout
        self.model = self._model().to(self.device, memory_format=self.layout)  # type: ignore[call-overload]
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(self.parameters, settings.learning_rate, settings.momentum)
        self.buffers = buffers_of(self.model)

    def _model(self) -> nn.Module:
        net = with_frozen_norms(self.start.net)
        choose_trainable(net, self.settings.trainable)
        head = CosineHead(int(self.units.classes.max()) + 1, self.start.card.embedding_size, self.random)
        model: nn.Module = nn.Sequential(net, head)
        training_mode(model)
        if self.settings.epsilon is None:
            return model
        sampled: nn.Module = GradSampleModule(model, loss_reduction="sum")
        return sampled

    @property
    def net(self) -> nn.Module:
        """What is trained of the backbone, with frozen norms."""
        net: nn.Module = self.model.get_submodule("0" if self.settings.epsilon is None else "_module.0")
        return net

    def step(self) -> None:
        """Draw, sum up, add noise, count, and move the parameters."""
        settings, drawn = self.settings, self.sampler.draw()
        done = len(self.record.sizes)
        self.record.add(drawn)
        total = [torch.zeros_like(parameter) for parameter in self.parameters]
        chosen = choose_images(self.units, drawn, settings.images_per_unit, self.random)
        for batch in whole_units(chosen, max(1, self.compute.batch_size // settings.views)):
            total = [so_far + more for so_far, more in zip(total, self._sum_over_units(batch), strict=True)]
        if settings.epsilon is not None:
            total = add_noise(total, self.noise_multiplier * settings.clipping_norm, self.random)
            self.accountant.step(noise_multiplier=self.noise_multiplier, sample_rate=self.sampler.rate)
        for parameter, gradient in zip(self.parameters, total, strict=True):
            parameter.grad = gradient / settings.units_per_step
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * (1 - done / settings.steps)
        self.optimizer.step()

    def _sum_over_units(self, batch: list[NDArray[np.int64]]) -> list[Tensor]:
        """Sum of the units' mean gradients, each clipped unless there is no privacy."""
        settings, rows = self.settings, np.concatenate(batch)
        pixels = self.store.images(self.units.positions[rows], self.start.canvas)
        faces = views(to_tensor(pixels, self.device), settings.views, self.random)
        classes = self.units.classes[rows].repeat_interleave(settings.views).to(self.device)
        images = torch.tensor([len(unit) for unit in batch], device=self.device)
        unit_of_view = torch.arange(len(batch), device=self.device).repeat_interleave(images * settings.views)
        cosines = self.model(self.start.preprocess(faces).contiguous(memory_format=self.layout))
        losses = arcface_losses(cosines, classes, self.loss.margin, self.loss.scale)
        loss = (losses / (images * settings.views)[unit_of_view]).sum()  # mean over a unit's views, sum over units
        if settings.epsilon is None:
            return list(torch.autograd.grad(loss, self.parameters))
        with warnings.catch_warnings():  # the first layer's input needs no gradient
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            loss.backward()  # type: ignore[no-untyped-call]
        per_view: list[Tensor] = [parameter.grad_sample for parameter in self.parameters]
        self.model.zero_grad(set_to_none=True)
        gradients = [unit_gradients(gradient, unit_of_view, len(batch)) for gradient in per_view]
        return clipped_sum(gradients, settings.clipping_norm)

    def train(self, path: Path) -> None:
        """Go through all steps, from the checkpoint at `path` on if there is one. Raises ClaimError."""
        self.restore(path, self.settings.steps)
        check_modes(self.model)
        self.train_until(self.settings.steps, path, "Private training", "steps", every=STEPS_PER_CHECKPOINT)
        check_buffers(self.buffers, buffers_of(self.model))
        if self.settings.epsilon is not None:
            check_sampling(self.record, self.sampler, self.accountant, len(self.units), self.settings.steps)
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters):
            raise PrivateTrainingError("Private training ended with NaN or infinite weights. Lower its learning_rate.")

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
            "accountant": [list(entry) for entry in self.accountant.history],
            "sizes": self.record.sizes,
            "times_drawn": self.record.times_drawn,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.random.set_state(state["random"])
        self.accountant.history = [tuple(entry) for entry in state["accountant"]]
        self.record.sizes[:] = state["sizes"]
        self.record.times_drawn.copy_(state["times_drawn"])

    def claim(self) -> dict[str, Any]:
        """What can be claimed after `train`."""
        epsilon = epsilon_spent(self.accountant, self.delta)
        return describe(self.settings, epsilon, self.delta, self.sampler.rate, self.noise_multiplier)

    def result(self, training: dict[str, Any]) -> Backbone:
        """The trained backbone as the start is made, in eval mode; `training` for its card. Raises BufferMovedError."""
        net = deepcopy(self.start.net)
        net.load_state_dict(plain_weights(self.net.state_dict()))
        check_buffers(buffers_of(self.start.net), buffers_of(net))
        return Backbone(net, self.start.card.model_copy(update={"training": training})).eval()
