"""Which parameters learn from private data; all others stay as the public start has them."""

from torch import nn

from faceleak.backbones.normalisation import ScaleAndShift
from faceleak.defenses.private.errors import PrivateTrainingError
from faceleak.defenses.private.settings import Trainable

NORMALISATION = (ScaleAndShift, nn.GroupNorm, nn.LayerNorm)


def choose_trainable(net: nn.Module, trainable: Trainable) -> None:
    """Let `net`, whose norms are frozen, learn what is named; what the architecture fixes stays fixed.

    Raises PrivateTrainingError where the net has nothing of the kind.
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
    norms: list[nn.Module] = [layer for layer in net.modules() if isinstance(layer, NORMALISATION)]
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
