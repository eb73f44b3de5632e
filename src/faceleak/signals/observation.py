"""One forward pass of a batch, and what signals read off it: all signals share the pass they need."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers, layer_inputs, reading, statistics
from faceleak.signals import Need

TASK = 1 << 20  # numbers whose squares still lie in the cache when they are averaged
MAP_SIZE = 4
NOTHING = torch.empty(0)


def spatial_mean(activations: Tensor) -> Tensor:
    """(n, channels, …) with any number of spatial dimensions, or none → (n, channels), in float32."""
    if activations.dim() == 2:
        return activations.float()
    if activations.dim() != 4:
        return activations.float().flatten(2).mean(2)
    return functional.adaptive_avg_pool2d(activations.float(), 1).flatten(1)  # far faster than mean() here


def spatial_moments(activations: Tensor) -> tuple[Tensor, Tensor]:
    """Means of x and of x² over the positions: (n, channels, …) → (n, channels) twice, in float32."""
    activations = activations.float()
    if activations.dim() != 4:
        return spatial_mean(activations), spatial_mean(activations * activations)
    means: tuple[Tensor, Tensor] = _SpatialMoments.apply(activations)  # type: ignore[no-untyped-call]
    return means


class _SpatialMoments(Function):
    """Both means of (n, channels, height, width), with one pass over the activations in the backward direction too."""

    @staticmethod
    def forward(context: Any, activations: Tensor) -> tuple[Tensor, Tensor]:
        context.save_for_backward(activations)
        if activations.device.type != "cpu":  # in one pass over memory, which is what limits a GPU
            variance, mean = torch.var_mean(activations, (2, 3), correction=0)
            return mean, variance + mean * mean
        if activations.numel() <= TASK:
            return spatial_mean(activations), spatial_mean(activations * activations)
        mean, square = (activations.new_empty(activations.shape[:2]) for _ in range(2))
        rows = max(1, TASK // activations.shape[1:].numel())
        squares = torch.empty_like(activations[:rows])  # the same memory for every task
        for start in range(0, len(activations), rows):
            task = activations[start : start + rows]
            square[start : start + rows] = spatial_mean(torch.mul(task, task, out=squares[: len(task)]))
            mean[start : start + rows] = spatial_mean(task)
        return mean, square

    @staticmethod
    def backward(context: Any, of_mean: Tensor, of_square: Tensor) -> Tensor:
        (activations,) = context.saved_tensors
        positions = activations.shape[2] * activations.shape[3]
        of_mean, of_square = (gradient[:, :, None, None] / positions for gradient in (of_mean, 2 * of_square))
        return torch.addcmul(of_mean, activations, of_square)


class LayerInput(NamedTuple):
    """What enters a BN layer: means of x and of x² over the positions (n, channels), x averaged to (n, channels, 4, 4).

    What was not asked for is an empty tensor; only the last layer that has positions has a map.
    """

    mean: Tensor
    square: Tensor
    map: Tensor


class Channels(NamedTuple):
    """The channels of all BN layers side by side, in the order of `layers`: what enters them and what usually does.

    mean, square: (n, channels), as in `LayerInput`. usual_mean, usual_variance, eps: (channels,).
    """

    mean: Tensor
    square: Tensor
    usual_mean: Tensor
    usual_variance: Tensor
    eps: Tensor


@dataclass(frozen=True)
class Observation:
    """What a batch of faces (n, 3, height, width) in 0…1 shows in a backbone; `embedding` is (n, size), as it comes.

    If no pass was needed, `embedding` is empty and there are no layers.
    """

    backbone: nn.Module
    faces: Tensor
    embedding: Tensor
    layers: Mapping[str, _BatchNorm]
    inputs: Mapping[str, LayerInput]

    @cached_property
    def channels(self) -> Channels:
        """All BN layers at once, for few operations: many small ones cost more than their arithmetic."""
        layers, inputs = list(self.layers.values()), [self.inputs[name] for name in self.layers]
        usual_mean, usual_variance = (torch.cat(tensors) for tensors in zip(*map(statistics, layers), strict=True))
        eps = usual_mean.new_tensor([layer.eps for layer in layers])
        widths = torch.tensor([layer.num_features for layer in layers], device=eps.device)
        return Channels(
            torch.cat([summary.mean for summary in inputs], dim=1),
            torch.cat([summary.square for summary in inputs], dim=-1),
            usual_mean,
            usual_variance,
            eps.repeat_interleave(widths, output_size=len(usual_mean)),
        )

    def mean_of_each_layer(self, values: Tensor) -> Tensor:
        """Means over each layer's channels: (…, channels of all layers) → (…, layers), in the order of `layers`."""
        lengths = torch.tensor([layer.num_features for layer in self.layers.values()], device=values.device)
        rows = values.flatten(0, -2).T.contiguous()
        means = torch.segment_reduce(rows, "mean", lengths=lengths, axis=0, unsafe=True)  # `lengths` fits: no check
        return means.T.reshape(*values.shape[:-1], len(lengths))

    def embed(self, faces: Tensor) -> Tensor:
        """Pass other faces (n, 3, height, width) through the backbone, in eval mode like these: (n, size)."""
        with reading(self.backbone):
            embeddings: Tensor = self.backbone(faces)
        return embeddings


def observe(backbone: nn.Module, faces: Tensor, needs: Collection[Need]) -> Observation:
    """Pass `faces` through the backbone once (not at all if nothing is needed) and keep what is needed.

    Gradients reach `faces`. Raises NoBatchNormError if BN layers are needed and there are none.
    """
    if not needs:
        return Observation(backbone, faces, NOTHING, {}, {})
    layers = bn_layers(backbone) if set(needs) - {"embedding"} else {}
    mapped = last_with_positions(layers) if "map" in needs else None

    def summarize(layer: _BatchNorm, inputs: Tensor) -> LayerInput:
        mean, square, cells = NOTHING, NOTHING, NOTHING
        if "square" in needs:
            mean, square = spatial_moments(inputs)
        elif "mean" in needs:
            mean = spatial_mean(inputs)
        if mapped is not None and layer is layers[mapped]:
            cells = functional.adaptive_avg_pool2d(inputs.float(), MAP_SIZE)
        return LayerInput(mean, square, cells)

    with reading(backbone), layer_inputs(layers, summarize) as seen:
        embedding = backbone(faces)
    return Observation(backbone, faces, embedding, layers, seen)


def with_positions(layers: Mapping[str, _BatchNorm]) -> dict[str, _BatchNorm]:
    """The BN layers whose input has positions. Raises NoBatchNormError if there are none."""
    found = [name for name, layer in layers.items() if isinstance(layer, nn.BatchNorm2d)]
    if not found:
        raise NoBatchNormError(
            "No batch-normalization layer of this backbone sees an image: none is two-dimensional. `activation` and "
            "`activation_map` cannot be read: choose other signals in parameters_membership.yml."
        )
    return {name: layers[name] for name in found}


def last_with_positions(layers: Mapping[str, _BatchNorm]) -> str:
    """Name of the last BN layer whose input has positions. Raises NoBatchNormError."""
    return list(with_positions(layers))[-1]
