"""ONNX operations with weights, as the torch layers they were exported from."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from faceleak.backbones.onnx_import.functions import borders, torch_order
from faceleak.backbones.onnx_import.reading import Node

Weights = Sequence[Tensor | None]
Layer = Callable[[Node, Tensor, Weights], nn.Module | None]

WITH_RANK: dict[int, type[nn.BatchNorm1d | nn.BatchNorm2d]] = {
    2: nn.BatchNorm1d,
    3: nn.BatchNorm1d,
    4: nn.BatchNorm2d,
}


def batch_norm(node: Node, x: Tensor, weights: Weights) -> nn.Module:
    """BN with its running statistics. ONNX's momentum is the share of the old statistics, torch's that of the new."""
    scale, shift, mean, variance = _given(node, weights, 4)
    if x.dim() not in WITH_RANK:
        raise ValueError(f"batch normalization of tensors with {x.dim()} axes is not imported")
    eps, kept = _decimal(node.attributes.get("epsilon", 1e-5)), _decimal(node.attributes.get("momentum", 0.9))
    layer = WITH_RANK[x.dim()](len(mean), eps, round(1 - kept, 8))
    assert layer.running_mean is not None
    assert layer.running_var is not None
    _fill({layer.weight: scale, layer.bias: shift, layer.running_mean: mean, layer.running_var: variance})
    return layer


def convolution(node: Node, x: Tensor, weights: Weights) -> nn.Module:
    """A 2-D convolution, after a layer that pads if the padding of two sides differs."""
    (kernel,), bias = _given(node, weights, 1), weights[1] if len(weights) > 1 else None
    if kernel.dim() != 4:
        raise ValueError(f"a convolution over {kernel.dim() - 2} axes is not imported, only over height and width")
    stated, size, ones = node.attributes, _pair(kernel.shape[2:]), [1, 1]
    groups, strides, dilations = stated.get("group", 1), stated.get("strides", ones), stated.get("dilations", ones)
    before, after = borders(x, size, strides, dilations, stated.get("pads"), stated.get("auto_pad", "NOTSET"))
    layer = nn.Conv2d(
        kernel.shape[1] * groups,
        kernel.shape[0],
        size,
        _pair(strides),
        _pair(before) if before == after else 0,
        _pair(dilations),
        groups,
        bias is not None,
    )
    _fill({layer.weight: kernel, **({} if layer.bias is None or bias is None else {layer.bias: bias})})
    if before == after:
        return layer
    left, right, top, bottom = torch_order(before, after)
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), layer)


def gemm(node: Node, x: Tensor, weights: Weights) -> nn.Module | None:
    """A linear layer, where the second factor is fixed and what is added is one vector."""
    weight, bias = weights[0], weights[1] if len(weights) > 1 else None
    if weight is None or weight.dim() != 2 or x.dim() != 2 or node.attributes.get("transA", 0):
        return None
    weight = node.attributes.get("alpha", 1.0) * (weight if node.attributes.get("transB", 0) else weight.t())
    if bias is not None:
        if bias.numel() not in (1, len(weight)):
            return None
        bias = (node.attributes.get("beta", 1.0) * bias).reshape(-1).expand(len(weight))
    return _linear(weight, bias)


def matmul(_: Node, x: Tensor, weights: Weights) -> nn.Module | None:
    """A linear layer without bias, if the second factor is a fixed matrix."""
    (weight,) = weights
    return None if weight is None or weight.dim() != 2 or x.dim() < 2 else _linear(weight.t(), None)


def prelu(_: Node, x: Tensor, weights: Weights) -> nn.Module | None:
    """PReLU with one slope, or one a channel; older exporters leave out the axes behind the channels."""
    (slope,) = weights
    if slope is None:
        return None
    channels = x.shape[1]
    aligned = (1,) * (x.dim() - slope.dim()) + tuple(slope.shape)
    by_channel = aligned == (1, channels) + (1,) * (x.dim() - 2)
    by_channel |= tuple(slope.shape) == (channels,) and x.shape[-1] != channels
    if slope.numel() != 1 and not by_channel:
        return None
    layer = nn.PReLU(slope.numel())
    _fill({layer.weight: slope.reshape(-1)})
    return layer


def dropout(node: Node, _: Tensor, weights: Weights) -> nn.Module:
    ratio = weights[0] if weights else None
    return nn.Dropout(float(node.attributes.get("ratio", 0.5) if ratio is None else ratio))


LAYERS: dict[str, Layer] = {
    "BatchNormalization": batch_norm,
    "Conv": convolution,
    "Dropout": dropout,
    "Gemm": gemm,
    "MatMul": matmul,
    "PRelu": prelu,
}


def _given(node: Node, weights: Weights, count: int) -> list[Tensor]:
    given = [weight for weight in weights[:count] if weight is not None]
    if len(given) < count:
        raise ValueError(f"the weights of {node.op} are computed or missing: they must be stored in the file")
    return given


def _pair(values: Sequence[int]) -> tuple[int, int]:
    first, second = values
    return first, second


def _decimal(value: float) -> float:
    """The shortest number that is stored as this float32: 1e-5 for 9.99999975e-06."""
    return float(str(np.float32(value)))


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None)
    _fill({layer.weight: weight, **({} if bias is None else {layer.bias: bias})})
    return layer


def _fill(contents: dict[Tensor, Tensor]) -> None:
    with torch.no_grad():
        for place, content in contents.items():
            if place.shape != content.shape:
                raise ValueError(f"weights of shape {tuple(content.shape)} stand where {tuple(place.shape)} belong")
            place.copy_(content)
