"""ONNX's ways to state the padding of convolutions and pooling."""

from collections.abc import Sequence

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
