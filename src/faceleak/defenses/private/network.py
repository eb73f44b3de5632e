"""The network as it learns privately: frozen norms, a head of single losses, and which parameters learn.

BN with frozen statistics is two modules: one that has buffers and learns nothing, one that learns and has none. Opacus
refuses trainable layers with buffers, and rightly so: statistics that move carry private data past the noise. The
ArcFace head is two parts, so Opacus sees a layer with weights and a loss of each image by itself. All parameters
that are not chosen stay as the public start has them.
"""

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy

import torch
from opacus.grad_sample import register_grad_sampler
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.arcface import arcface_logits
from faceleak.backbones.normalization import ScaleAndShift
from faceleak.defenses.private.errors import PrivateTrainingError
from faceleak.defenses.private.settings import Trainable

STATISTICS, AFFINE = "statistics", "affine"


class FrozenBatchNorm(nn.Sequential):
    """A BN layer as (x − mean) / std by its running statistics, followed by its scale and shift."""

    def __init__(self, layer: _BatchNorm) -> None:
        statistics = type(layer)(layer.num_features, layer.eps, layer.momentum, affine=False)
        affine = ScaleAndShift(layer.num_features)
        super().__init__(OrderedDict({STATISTICS: statistics, AFFINE: affine}))
        statistics.load_state_dict(dict(layer.named_buffers()))
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                affine.get_parameter(name).copy_(parameter).requires_grad_(parameter.requires_grad)


def with_frozen_norms(net: nn.Module) -> nn.Module:
    """A copy of `net` with each BN layer as a FrozenBatchNorm; see `training_mode` and `plain_weights`."""
    copy = deepcopy(net)
    for name, layer in list(copy.named_modules()):
        if isinstance(layer, _BatchNorm):
            parent, _, place = name.rpartition(".")
            setattr(copy.get_submodule(parent), place, FrozenBatchNorm(layer))
    return copy


def training_mode(net: nn.Module) -> None:
    """Train mode, which Opacus' hooks ask for, for all but what holds statistics."""
    net.train()
    for layer in net.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()


def plain_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State dict of a net with frozen norms → of the net that it was made from."""
    return {name.replace(f".{STATISTICS}.", ".").replace(f".{AFFINE}.", "."): value for name, value in weights.items()}


@register_grad_sampler(ScaleAndShift)  # type: ignore[untyped-decorator]
def _scale_and_shift_gradients(
    layer: ScaleAndShift, activations: list[Tensor], backprops: Tensor
) -> dict[nn.Parameter, Tensor]:
    gradients: dict[nn.Parameter, Tensor] = {}
    if layer.weight.requires_grad:
        gradients[layer.weight] = torch.einsum("nc...,nc...->nc", activations[0], backprops)
    if layer.bias.requires_grad:
        gradients[layer.bias] = torch.einsum("nc...->nc", backprops)
    return gradients


ROW_LENGTH = 1.0


class CosineHead(nn.Module):
    """Embeddings (n, embedding_size) → cosines (n, classes) with one row a person.

    Rows begin as independent Gaussian directions of one length: nothing in them, not even their order, depends on who
    the people are. Only their number is assumed to be public. The length sets how much of a unit's clipped gradient
    the head takes from the backbone: a row's gradient falls with it.
    """

    def __init__(self, classes: int, embedding_size: int, random: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            ROW_LENGTH * functional.normalize(torch.randn(classes, embedding_size, generator=random))
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        return functional.linear(functional.normalize(embeddings), functional.normalize(self.weight))


def arcface_losses(cosines: Tensor, classes: Tensor, margin: float, scale: float) -> Tensor:
    """The loss of `ArcFaceHead`, image by image: cosines (n, classes) → losses (n,)."""
    return functional.cross_entropy(arcface_logits(cosines, classes, margin, scale), classes, reduction="none")


@register_grad_sampler(CosineHead)  # type: ignore[untyped-decorator]
def _cosine_gradients(layer: CosineHead, activations: list[Tensor], backprops: Tensor) -> dict[nn.Parameter, Tensor]:
    if not layer.weight.requires_grad:
        return {}
    lengths = layer.weight.norm(dim=1, keepdim=True)
    rows, embeddings = layer.weight / lengths, functional.normalize(activations[0])
    along = torch.einsum("nc,nd->ncd", backprops, embeddings)
    radial = (backprops * (embeddings @ rows.T)).unsqueeze(2) * rows  # a row's length changes no cosine
    return {layer.weight: (along - radial) / lengths}


NORMALIZATION = (ScaleAndShift, nn.GroupNorm, nn.LayerNorm)


def choose_trainable(net: nn.Module, trainable: Trainable) -> None:
    """Let `net`, whose norms are frozen, learn what is named; what the architecture fixes stays fixed.

    Raises PrivateTrainingError if the net has nothing of the kind.
    """
    learnable = {id(parameter) for parameter in net.parameters() if parameter.requires_grad}
    chosen: set[int] = set()
    for layer in _layers(net, trainable):
        chosen |= {id(parameter) for parameter in layer.parameters()} & learnable
    for parameter in net.parameters():
        parameter.requires_grad_(id(parameter) in chosen)
    if not chosen:
        raise PrivateTrainingError(
            f"This backbone has nothing to train of the kind `{trainable}`. Choose another `trainable`."
        )


def _layers(net: nn.Module, trainable: Trainable) -> list[nn.Module]:
    norms: list[nn.Module] = [layer for layer in net.modules() if isinstance(layer, NORMALIZATION)]
    linear: list[nn.Module] = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    match trainable:
        case "scale_and_bias":
            return norms
        case "last_layer":
            return linear[-1:]
        case "scale_and_bias_and_last_layer":
            return norms + linear[-1:]
        case "all":
            return [net]
