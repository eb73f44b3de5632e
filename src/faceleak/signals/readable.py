"""Which signals a backbone gives: not all have BN layers, or come with their classification head."""

from collections.abc import Iterable

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers
from faceleak.signals import registry


def readable(names: Iterable[str], backbone: Backbone) -> list[str]:
    """Those of the named signals that can be read off the backbone, in the same order. Raises UnknownSignalError."""
    try:
        has_bn = bool(bn_layers(backbone.net))
    except NoBatchNormError:
        has_bn = False
    return [name for name in names if _is_given(registry.get(name), has_bn, backbone.head is not None)]


def _is_given(signal: registry.Signal | registry.Comparison, has_bn: bool, has_head: bool) -> bool:
    if isinstance(signal, registry.Comparison):
        return has_head or signal.access != "head"
    return has_bn or signal.needs <= {"embedding"}
