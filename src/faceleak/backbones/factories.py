"""Networks of the user's own, named as `package.module:Class`."""

import logging
import re
from collections.abc import Mapping
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from faceleak.common.errors import FaceleakError
from faceleak.common.named import find, imported, said

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

log = logging.getLogger(__name__)

LAYOUT = "faceleak_layout"  # attribute of a network that cannot take images channels-last
SAME_ANSWER = 1e-3  # relative distance of embeddings in two layouts that is rounding
PATTERN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class FactoryError(FaceleakError):
    """The class that a factory names cannot be found or built, or is no network that gives embeddings."""


def check_factory(name: str) -> str:
    """Return `name` if its module can be found, without running it. Raises FactoryError."""
    if not PATTERN.fullmatch(name):
        raise FactoryError(f"{name!r} does not name a class. Write it as package.module:Class.")
    find(name, "factory", FactoryError)
    return name


def make(factory: str, arguments: Mapping[str, Any]) -> "nn.Module":
    """Import the class and call it. Raises FactoryError if it is missing, no `torch.nn.Module`, or fails."""
    from torch import nn

    _, found = imported(check_factory(factory), "factory", FactoryError)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise FactoryError(
            f"The factory {factory!r} has to be a subclass of torch.nn.Module, but it is a {type(found).__name__}. "
            "Name the class itself; a function that builds a network has to be wrapped in one."
        )
    try:
        return found(**arguments)
    except FaceleakError:
        raise
    except Exception as error:
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise FactoryError(f"{factory}({given}) failed ({said(error)}). Correct the arguments.") from error


def in_its_layout(net: "nn.Module", image_size: tuple[int, int], factory: str) -> "nn.Module":
    """The network itself, marked with a contiguous layout if it fails or answers otherwise on channels-last images.

    `x.view(len(x), -1)` behind a convolution is such a case. Another copy of the network keeps the mark.
    """
    import torch

    images = torch.rand(2, 3, *image_size, generator=torch.Generator().manual_seed(0))
    last = _answer(net, images, torch.channels_last)
    plain = _answer(net, images, torch.contiguous_format)
    if plain is not None and (last is None or not _same(last, plain)):
        setattr(net, LAYOUT, torch.contiguous_format)
        _say_contiguous(factory)
    return net


def _answer(net: "nn.Module", images: "Tensor", layout: "torch.memory_format") -> Any:
    """What the network gives in eval mode, with images and weights in a layout; None if it fails."""
    import torch

    from faceleak.backbones.batch_norm import reading

    net.to(memory_format=layout)  # type: ignore[call-overload]
    first = next(net.parameters(), images)
    images = images.to(first.device).contiguous(memory_format=layout)
    try:
        with torch.inference_mode(), reading(net):
            return net(images)
    except Exception:  # whatever the network's own code raises; `check_output` tells it
        return None


def _same(found: Any, expected: Any) -> bool:
    """Whether two answers agree; those that are no tensors, or not finite, are refused later."""
    import torch

    if not (isinstance(found, torch.Tensor) and isinstance(expected, torch.Tensor)) or found.is_meta:
        return True
    scale = float(expected.norm())
    return not isfinite(scale) or torch.allclose(found, expected, rtol=0, atol=SAME_ANSWER * scale, equal_nan=True)


@cache
def _say_contiguous(factory: str) -> None:
    log.info(
        "%s cannot take images in the channels-last layout (x.view behind a convolution, most often), so that it gets "
        "them contiguous: the same embeddings, somewhat slower. With x.flatten(1) or x.reshape it takes both.",
        factory,
    )


def check_output(net: "nn.Module", image_size: tuple[int, int], embedding_size: int, factory: str) -> None:
    """Pass two gray images through a network in eval mode. Raises FactoryError unless (2, embedding_size) comes out."""
    import torch

    from faceleak.backbones.batch_norm import reading

    try:
        with torch.inference_mode(), reading(net):
            found: Tensor = net(torch.zeros(2, 3, *image_size))
    except Exception as error:
        raise FactoryError(
            f"{factory} cannot take images of shape (2, 3, {image_size[0]}, {image_size[1]}) ({said(error)}). If "
            "sizes do not fit, set preprocessing.image_size to that of the training; otherwise mend the class."
        ) from error
    shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if shape != (2, embedding_size):
        raise FactoryError(
            f"{factory} gives {shape} for two images, not (2, {embedding_size}). A backbone gives one embedding an "
            "image and nothing else: set embedding_size to its size, or wrap the network in a class that does so."
        )
