"""Another normalization in place of BN, in any network: the names of the layers stay.

Folding looks at one forward pass: if what enters a BN layer is what a convolution or a linear layer gave, BN goes
into that layer; elsewhere what BN does stays as a scale and a shift.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from faceleak.backbones.batch_norm import batch_norms, reading, statistics
from faceleak.backbones.card import Normalization
from faceleak.backbones.normalization import ScaleAndShift, group_size


def renormalized(net: nn.Module, normalization: Normalization, image_size: tuple[int, int]) -> nn.Module:
    """Put `normalization` in place of BN, in the network itself, and return it; image_size: (height, width)."""
    match normalization:
        case "group":
            _group(net)
        case "folded":
            fuse(net, image_size)
        case "batch":
            pass
    return net


def fuse(net: nn.Module, image_size: tuple[int, int]) -> None:
    """Fold all BN layers with running statistics, in the network itself; it is left in its mode."""
    producers = _producers(net, image_size)
    with torch.no_grad(), reading(net):
        for name, layer in batch_norms(net).items():
            producer = producers.pop(name, None)
            if producer is None:
                net.set_submodule(name, _as_layer(layer))
                continue
            linear = net.get_submodule(producer)
            fused = fuse_linear_bn_eval if isinstance(linear, nn.Linear) else fuse_conv_bn_eval
            net.set_submodule(producer, fused(linear, layer))  # type: ignore[type-var]
            net.set_submodule(name, nn.Identity())


def _group(net: nn.Module) -> None:
    for name, layer in batch_norms(net).items():
        channels, affine = layer.num_features, layer.affine
        if isinstance(layer, nn.BatchNorm1d):
            net.set_submodule(name, nn.LayerNorm(channels, elementwise_affine=affine))
        else:
            net.set_submodule(name, nn.GroupNorm(channels // group_size(channels), channels, affine=affine))


def _producers(net: nn.Module, image_size: tuple[int, int]) -> dict[str, str]:
    """Name of the convolution or linear layer right before each BN layer that has one."""
    given: dict[int, tuple[str, Tensor, int]] = {}  # by memory, which is kept, so that none is taken for another
    producers: dict[str, str] = {}

    def note_output(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def note(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            given[output.data_ptr()] = name, output, output._version

        return note

    def note_input(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            taken = inputs[0]
            producer, output, version = given.get(taken.data_ptr(), (None, taken, -1))
            same = output.shape[:2] == taken.shape[:2] and output.numel() == taken.numel()
            if producer is not None and same and version == taken._version:  # reshaped at most, not changed in place
                producers[name] = producer

        return note

    handles = [
        module.register_forward_hook(note_output(name))
        for name, module in net.named_modules()
        if type(module) in (nn.Conv2d, nn.Linear)
    ] + [layer.register_forward_pre_hook(note_input(name)) for name, layer in batch_norms(net).items()]
    parameter = next(net.parameters())
    images = torch.zeros(2, 3, *image_size, device=parameter.device, dtype=parameter.dtype)
    try:
        with torch.no_grad(), reading(net):
            net(images)
    finally:
        for handle in handles:
            handle.remove()
    return producers


def scale_and_shift(layer: _BatchNorm) -> tuple[Tensor, Tensor]:
    """What a BN layer with running statistics does in eval mode, a channel each: x → scale·x + shift."""
    mean, variance = statistics(layer)
    scale = (1 if layer.weight is None else layer.weight) / (variance + layer.eps).sqrt()
    return scale, (0 if layer.bias is None else layer.bias) - mean * scale


def _as_layer(layer: _BatchNorm) -> ScaleAndShift:
    scale, shift = scale_and_shift(layer)
    replaced = ScaleAndShift(layer.num_features).to(scale)
    replaced.weight.copy_(scale)
    replaced.bias.copy_(shift)
    return replaced
