"""ONNX operations without weights, as functions of tensors, and ONNX's ways to state their padding.

Inputs come by position and attributes by ONNX's names, so what was an attribute in one opset and is an input in
another is the same argument here. Sizes are int64 tensors on the CPU, whatever the device of the images.
Source: https://onnx.ai/onnx/operators/
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def borders(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int] | None,
    auto_pad: str,
) -> tuple[list[int], list[int]]:
    """Pixels to add before and after each spatial axis of x (n, channels, …).

    `auto_pad` SAME_UPPER and SAME_LOWER keep size / stride, rounded up, and add an odd pixel at the end or the start.
    """
    axes = len(kernel)
    if auto_pad in ("NOTSET", "VALID"):
        stated = list(pads) if pads and auto_pad == "NOTSET" else [0] * 2 * axes
        return stated[:axes], stated[axes:]
    missing = [
        max(0, (-(-size // stride) - 1) * stride + (length - 1) * dilation + 1 - size)
        for size, length, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True)
    ]
    smaller, larger = [total // 2 for total in missing], [total - total // 2 for total in missing]
    return (smaller, larger) if auto_pad == "SAME_UPPER" else (larger, smaller)


def torch_order(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """The same for `torch.nn.functional.pad`: the last axis first, before and after in turn."""
    return [pixels for pair in reversed(list(zip(before, after, strict=True))) for pixels in pair]


def pad_spatially(x: Tensor, before: Sequence[int], after: Sequence[int], value: float) -> Tensor:
    """Add borders of one value around the last axes of x."""
    return functional.pad(x, torch_order(before, after), value=value)


Whole = Tensor | Sequence[int] | int

FLOAT_TYPES, INTEGER_TYPES, BOOL_TYPE = (1, 10, 11, 16), (2, 3, 4, 5, 6, 7, 12, 13), 9  # TensorProto.DataType
FLATTENING_SOFTMAX = 12  # last opset in which softmax is over all axes from `axis` on


def integers(values: Whole) -> list[int]:
    """A tensor, list or number → a list of whole numbers."""
    listed = values.tolist() if isinstance(values, Tensor) else values
    return [int(value) for value in (listed if isinstance(listed, Sequence) else [listed])]


def constant(**value: Any) -> Tensor:
    """The tensor that a node Constant holds in one of its attributes."""
    (held,) = value.values()
    return held if isinstance(held, Tensor) else torch.tensor(held)


def identity(x: Tensor) -> Tensor:
    return x


def cast(x: Tensor, to: int, **_: Any) -> Tensor:
    """Floats of any width become float32, integers of any width int64."""
    if to == BOOL_TYPE:
        return x.bool()
    if to not in FLOAT_TYPES + INTEGER_TYPES:
        raise ValueError(f"there is no cast to type {to}")
    return x.float() if to in FLOAT_TYPES else x.long()


def divide(x: Tensor, y: Tensor) -> Tensor:
    whole = not (x.is_floating_point() or y.is_floating_point())
    return torch.div(x, y, rounding_mode="trunc" if whole else None)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x >= 0, x, slope * x)


def clip(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    for bound, limit in ((min, torch.maximum), (max, torch.minimum)):
        if bound is not None:
            x = limit(x, torch.as_tensor(bound, dtype=x.dtype, device=x.device))
    return x


def leaky_relu(x: Tensor, alpha: float = 0.01) -> Tensor:
    return functional.leaky_relu(x, alpha)


def hard_sigmoid(x: Tensor, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return (alpha * x + beta).clamp(0, 1)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    return x.softmax(axis)


def flattening_softmax(x: Tensor, axis: int = 1) -> Tensor:
    return flatten(x, axis).softmax(1).reshape(x.shape)


def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Tensor:
    product = alpha * (a.t() if transA else a) @ (b.t() if transB else b)
    return product if c is None else product + beta * c


def shape(x: Tensor, start: int = 0, end: int | None = None) -> Tensor:
    return torch.tensor(x.shape[start:end], dtype=torch.int64)


def reshape(x: Tensor, shape: Whole, allowzero: int = 0) -> Tensor:
    """A 0 keeps the size of the same axis of x, unless `allowzero`."""
    wanted = integers(shape)
    return x.reshape([x.shape[axis] if size == 0 and not allowzero else size for axis, size in enumerate(wanted)])


def expand(x: Tensor, shape: Whole) -> Tensor:
    """Repeat axes of size 1 as `shape` asks; an axis of size 1 in `shape` keeps that of x."""
    return x.expand(torch.broadcast_shapes(x.shape, integers(shape)))  # type: ignore[no-untyped-call]


def flatten(x: Tensor, axis: int = 1) -> Tensor:
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(prod(x.shape[:axis]), -1)


def transpose(x: Tensor, perm: Sequence[int] | None = None) -> Tensor:
    return x.permute(*(perm or range(x.dim() - 1, -1, -1)))


def squeeze(x: Tensor, axes: Whole | None = None) -> Tensor:
    """Without axes, all of size 1 but the first, which is the batch."""
    if axes is None:
        return x.squeeze(tuple(range(1, x.dim())))
    chosen = integers(axes)
    if any(x.shape[axis] != 1 for axis in chosen):
        raise ValueError(f"axes {chosen} of shape {tuple(x.shape)} are not all of size 1")
    return x.squeeze(tuple(chosen))


def unsqueeze(x: Tensor, axes: Whole) -> Tensor:
    chosen = integers(axes)
    rank = x.dim() + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        x = x.unsqueeze(axis)
    return x


def concat(*tensors: Tensor, axis: int) -> Tensor:
    return torch.cat(tensors, axis)


def gather(x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
    axis = axis % x.dim()
    chosen: Tensor = x[(slice(None),) * axis + (indices.to(x.device),)]
    return chosen


def slice_(x: Tensor, starts: Whole, ends: Whole, axes: Whole | None = None, steps: Whole | None = None) -> Tensor:
    begin, end = integers(starts), integers(ends)
    chosen = list(range(len(begin))) if axes is None else integers(axes)
    stride = [1] * len(begin) if steps is None else integers(steps)
    parts = [slice(None)] * x.dim()
    for axis, *bounds in zip(chosen, begin, end, stride, strict=True):
        parts[axis] = slice(*bounds)
    return x[tuple(parts)]


def pad(x: Tensor, pads: Whole, value: Any = 0.0, axes: Whole | None = None, mode: str = "constant") -> Tensor:
    stated = integers(pads)
    half = len(stated) // 2
    chosen = list(range(half)) if axes is None else [axis % x.dim() for axis in integers(axes)]
    first = min(
        (axis for axis, *both in zip(chosen, stated[:half], stated[half:], strict=True) if any(both)), default=0
    )
    before, after = [0] * (x.dim() - first), [0] * (x.dim() - first)
    for axis, start, end in zip(chosen, stated[:half], stated[half:], strict=True):
        if axis >= first:
            before[axis - first], after[axis - first] = start, end
    kind = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[mode]
    fill = None if mode != "constant" else 0.0 if value is None else float(value)
    return functional.pad(x, torch_order(before, after), kind, fill)


def reduce_mean(x: Tensor, axes: Whole | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    return _reduce(torch.mean, x, axes, keepdims, noop_with_empty_axes)


def reduce_sum(x: Tensor, axes: Whole | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    return _reduce(torch.sum, x, axes, keepdims, noop_with_empty_axes)


def reduce_l2(x: Tensor, axes: Whole | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Tensor:
    return _reduce(torch.linalg.vector_norm, x, axes, keepdims, noop_with_empty_axes)


def _reduce(
    function: Callable[..., Tensor], x: Tensor, axes: Whole | None, keepdims: int, noop_with_empty_axes: int
) -> Tensor:
    """Reduce over `axes`; over all of them if none are given, unless that is to do nothing."""
    chosen = [] if axes is None else integers(axes)
    if not chosen and noop_with_empty_axes:
        return x
    return function(x, dim=chosen or list(range(x.dim())), keepdim=bool(keepdims))


def lp_normalization(x: Tensor, axis: int = -1, p: int = 2) -> Tensor:
    return functional.normalize(x, p, axis)


def global_average_pool(x: Tensor) -> Tensor:
    return x.mean(tuple(range(2, x.dim())), keepdim=True)


def average_pool(
    x: Tensor,
    kernel_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> Tensor:
    steps, ones = strides or [1, 1], [1, 1]
    before, after = borders(x, kernel_shape, steps, ones, pads, auto_pad)
    if before == after:
        return functional.avg_pool2d(
            x, list(kernel_shape), list(steps), before, bool(ceil_mode), bool(count_include_pad)
        )
    total = functional.avg_pool2d(
        pad_spatially(x, before, after, 0.0), list(kernel_shape), list(steps), 0, bool(ceil_mode)
    )
    if count_include_pad:
        return total
    inside = pad_spatially(torch.ones_like(x[:1, :1]), before, after, 0.0)
    return total / functional.avg_pool2d(inside, list(kernel_shape), list(steps), 0, bool(ceil_mode))


def max_pool(
    x: Tensor,
    kernel_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] | None = None,
    storage_order: int = 0,  # noqa: ARG001 (of the indices, which are not given)
) -> Tensor:
    steps, spread = list(strides or [1, 1]), list(dilations or [1, 1])
    before, after = borders(x, kernel_shape, steps, spread, pads, auto_pad)
    padded = pad_spatially(x, before, after, float("-inf"))
    return functional.max_pool2d(padded, list(kernel_shape), steps, 0, spread, bool(ceil_mode))


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "AveragePool": average_pool,
    "Cast": cast,
    "Clip": clip,
    "Concat": concat,
    "Constant": constant,
    "Div": divide,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": functional.hardswish,
    "Identity": identity,
    "LeakyRelu": leaky_relu,
    "LpNormalization": lp_normalization,
    "MatMul": torch.matmul,
    "MaxPool": max_pool,
    "Mul": torch.mul,
    "PRelu": prelu,
    "Pad": pad,
    "Pow": torch.pow,
    "ReduceL2": reduce_l2,
    "ReduceMean": reduce_mean,
    "ReduceSum": reduce_sum,
    "Relu": torch.relu,
    "Reshape": reshape,
    "Shape": shape,
    "Sigmoid": torch.sigmoid,
    "Slice": slice_,
    "Softmax": softmax,
    "Sqrt": torch.sqrt,
    "Squeeze": squeeze,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}


def function_of(op: str, opset: int) -> Callable[..., Tensor]:
    """The function of an operation in the meaning it has in this opset."""
    if op == "Softmax" and opset <= FLATTENING_SOFTMAX:
        return flattening_softmax
    return FUNCTIONS[op]
