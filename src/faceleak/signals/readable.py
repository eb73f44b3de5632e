"""The signals that a backbone can give: not all have BN layers, or come with their classification head."""

from collections.abc import Iterable

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import batch_norms
from faceleak.signals import Comparison, Signal, registry


def readable(names: Iterable[str], backbone: Backbone) -> list[str]:
    """Those of the named signals that can be read off the backbone, in the same order. Raises UnknownNameError."""
    given = bool(batch_norms(backbone.net)), backbone.head is not None
    return [name for name in names if _is_given(registry.get(name), *given)]


def _is_given(signal: Signal | Comparison, with_bn: bool, has_head: bool) -> bool:
    if isinstance(signal, Comparison):
        return has_head or signal.access != "head"
    return with_bn or signal.needs <= {"embedding"}
