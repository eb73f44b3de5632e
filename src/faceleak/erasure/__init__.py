"""Erasure: ways to make a backbone forget people, one file each, by the name of its file."""

from typing import TYPE_CHECKING, Any, Protocol

from faceleak.bypasses import check_backbone
from faceleak.common.named import Registry
from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.erasure.request import Request


class MethodModule(Protocol):
    """What defines a method of erasure.

    Settings: its parameters, each under its name in `erasure.methods`. MADE_ELSEWHERE, if true: nobody knows how long
    the erasure took. A result is made anew once the module has
    changed, or what it imports of faceleak, of its own package or of files in its folder, or a file that a setting
    names by its path.
    """

    Settings: type[Options]

    def erase(self, request: "Request", settings: Any, seed: int) -> "Backbone":
        """Return a backbone in eval mode without these people; the owner's stays as it is. Same seed, same result."""
        ...


registry: Registry[MethodModule] = Registry(
    "faceleak.erasure",
    "method of erasure",
    MethodModule,
    returns={"erase": lambda function, result, *_, **__: check_backbone(function, result, "request.owner.backbone")},
)
