"""Folding BN into the neighboring layers: the same embeddings from a network without stored statistics.

Exact after a convolution and, in an iResNet, before the linear layer. Before a convolution that pads with zeros it is
not: there what BN does stays as a scale and a shift. Other networks are folded by what one forward pass shows
(`renormalizing`).
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers, statistics
from faceleak.backbones.card import BackboneCard
from faceleak.backbones.iresnet import IResNet, ResidualBlock
from faceleak.backbones.loading import assemble
from faceleak.backbones.renormalizing import fuse, scale_and_shift
from faceleak.common.errors import FaceleakError

Weights = dict[str, Tensor]
LARGEST_ERROR = 1e-6  # relative, in double precision


class FoldingError(FaceleakError):
    """What a network does with its layers does not allow to fold them."""


def fold(backbone: Backbone) -> Backbone:
    """Return a copy in eval mode with BN folded; embeddings agree to rounding.

    Raises NoBatchNormError, and FoldingError if a network of the user's own gives other embeddings then.
    """
    if backbone.card.normalization == "batch":
        bn_layers(backbone.net)
    else:
        raise NoBatchNormError(
            f"There is no batch normalization to fold: the normalization of this {type(backbone.net).__name__} is "
            f"{backbone.card.normalization!r}. Fold a backbone with normalization 'batch'."
        )
    card = backbone.card.model_copy(update={"normalization": "folded"})
    net = deepcopy(backbone.net).cpu().double().eval()  # so that folding adds no rounding of its own
    with torch.no_grad():
        folded = _fold_iresnet(net, card) if isinstance(net, IResNet) else _fold_any(net, card)
    folded.head = backbone.head
    return folded.to(backbone.mean.device)


def _fold_iresnet(net: IResNet, card: BackboneCard) -> Backbone:
    weights = {name: tensor.detach().float() for name, tensor in _weights(net).items()}
    return assemble(card, weights, "the folded backbone")


def _fold_any(net: nn.Module, card: BackboneCard) -> Backbone:
    size = card.preprocessing.canvas.shape
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    expected = net(images)
    fuse(net, size)
    error = float((net(images) - expected).norm() / expected.norm())
    if not error < LARGEST_ERROR:
        raise FoldingError(
            f"{card.architecture} gives other embeddings once BN is folded (relative difference {error:.1e}): a layer "
            "before BN is used in several places. Leave the defense bn_folding out of defense.variants."
        )
    return Backbone(net.float(), card).eval()


def _weights(net: IResNet) -> Weights:
    weights = {"prelu.weight": net.prelu.weight, **_convolution("conv1", net.conv1, net.bn1)}
    for name, module in net.named_modules():
        if isinstance(module, ResidualBlock):
            weights |= {f"{name}.{part}": tensor for part, tensor in _block(module).items()}
    return weights | _linear("fc", net)


def _block(block: ResidualBlock) -> Weights:
    scale, shift = scale_and_shift(_batch_norm(block.bn1))
    weights = {"bn1.weight": scale, "bn1.bias": shift, "prelu.weight": block.prelu.weight}
    weights |= _convolution("conv1", block.conv1, block.bn2) | _convolution("conv2", block.conv2, block.bn3)
    return weights if block.downsample is None else weights | _convolution("downsample.0", *block.downsample)


def _convolution(name: str, convolution: nn.Module, bn: nn.Module) -> Weights:
    assert isinstance(convolution, nn.Conv2d)
    layer = _batch_norm(bn)
    weight, bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, *statistics(layer), layer.eps, layer.weight, layer.bias
    )
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _linear(name: str, net: IResNet) -> Weights:
    """The linear layer between two BN layers; the first is over channels, of which each has several inputs."""
    scale, shift = scale_and_shift(_batch_norm(net.bn2))
    positions = net.fc.in_features // len(scale)
    weight = net.fc.weight * scale.repeat_interleave(positions)
    bias = net.fc.bias + net.fc.weight @ shift.repeat_interleave(positions)
    last = _batch_norm(net.features)
    weight, bias = fuse_linear_bn_weights(weight, bias, *statistics(last), last.eps, last.weight, last.bias)
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _batch_norm(layer: nn.Module) -> _BatchNorm:
    assert isinstance(layer, _BatchNorm)
    return layer
