"""Bypasses, one file each: what an adaptive attacker does to a defended backbone before the attack.

The name of the file stands in a defense's BYPASSES.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pandas as pd

from faceleak.common.named import PartError, Registry
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone


@dataclass(frozen=True)
class OwnFaces:
    """Faces of the attacker's own: image_id, identity and sha256 of people whom the target never saw."""

    store: FaceStore
    images: pd.DataFrame
    compute: ComputeOptions


class BypassModule(Protocol):
    """What defines a bypass.

    ACCESS: what it takes, `weights` or (queries for) `embeddings`. IS_A_BACKBONE: whether the result can be saved and
    loaded like any backbone, so it is made only once, and anew once its file or what that imports has changed.
    NEEDS_BN, if true: a backbone without BN layers cannot be bypassed so, and nobody tries. QUERIES: how often
    the released backbone is asked for one embedding of the result, if that is more than once. quantity(own): images
    that training steps of `bypass` see, where it trains.
    """

    ACCESS: Literal["weights", "embeddings"]
    IS_A_BACKBONE: bool

    def bypass(self, released: "Backbone", own: OwnFaces) -> "Backbone":
        """Return a backbone from which the defense is gone as far as can be; the released one stays as it is."""
        ...


class Bypasses(Registry[BypassModule]):
    """All bypasses by name."""

    def possible(self, bypasses: Sequence[str], released: "Backbone") -> list[str]:
        """Those of the bypasses that can be tried on a backbone. Raises UnknownNameError."""
        from faceleak.backbones.batch_norm import batch_norms

        return [
            name for name in bypasses if not getattr(self.get(name), "NEEDS_BN", False) or batch_norms(released.net)
        ]


def check_backbone(function: str, result: Any, changed: str) -> None:
    """Raise PartError unless a function of the user's own returned a backbone."""
    from torch import nn

    from faceleak.backbones.backbone import Backbone

    if isinstance(result, Backbone):
        return
    if isinstance(result, nn.Module):
        raise PartError(
            f"{function} returned {_article(type(result).__name__)}; return the whole Backbone, not its .net."
        )
    what = "None" if result is None else _article(type(result).__name__)
    raise PartError(f"{function} returned {what}; it has to return a Backbone (a changed copy of `{changed}`).")


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOUaeiou' else 'a'} {noun}"


registry = Bypasses(
    "faceleak.bypasses",
    "bypass",
    BypassModule,
    returns={"bypass": lambda function, result, *_, **__: check_backbone(function, result, "released")},
)
