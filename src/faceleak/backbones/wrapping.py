"""A network that is in memory already, as a backbone: with how it is fed, and without a file that it came from."""

from copy import deepcopy
from typing import TYPE_CHECKING

import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import reading
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.checkpoint import check_finite
from faceleak.backbones.factories import check_output, in_its_layout

if TYPE_CHECKING:
    from torch import nn


class WrappedBackbone(Backbone):
    """A backbone whose network nobody can build from its card: it is what it is."""

    def source_modules(self) -> list[str]:
        """Names of the modules of its layers, as far as they are files and of no installed library."""
        return self._own_modules()


def wrap(module: "nn.Module", preprocessing: Preprocessing) -> Backbone:
    """Return a backbone in eval mode with a copy of `module` on the CPU; `module` itself stays as it is.

    Raises FactoryError where it gives anything but one embedding an image for images of that size, BackboneError where
    a tensor of it is not finite.
    """
    shape = preprocessing.canvas.shape
    name = f"{type(module).__module__}:{type(module).__qualname__}"
    check_finite(module.state_dict(), name)
    net = in_its_layout(deepcopy(module).cpu().eval(), shape, name)
    size = _embedding_size(net, shape)
    check_output(net, shape, size, name)
    card = BackboneCard(architecture=name, embedding_size=size, preprocessing=preprocessing)
    return WrappedBackbone(net, card).eval()


def _embedding_size(net: "nn.Module", shape: tuple[int, int]) -> int:
    """Numbers in an embedding; 1 if the network fails or gives something else, which `check_output` tells."""
    try:
        with torch.inference_mode(), reading(net):
            found = net(torch.zeros(2, 3, *shape))
    except Exception:  # whatever the network's own code raises
        return 1
    return int(found.shape[1]) if isinstance(found, torch.Tensor) and found.ndim == 2 else 1
