"""Defenses, one file each, by the name of its file; and the bypasses that an adaptive attacker tries on them."""

from typing import TYPE_CHECKING, Any, Protocol

from faceleak.bypasses import check_backbone
from faceleak.common.named import Registry
from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner


class DefenseModule(Protocol):
    """What defines a defense.

    Settings: its parameters, each under its name in `defense.variants`. BYPASSES: names of what an adaptive attacker
    tries against it, of `bypasses/` or of the user's own. A defense that trains backbones may also define
    `tasks(owner, settings, seed) → list[TrainingTask]`: all variants' tasks are trained side by side before any
    `defend` is called, which then finds them in the cache. For the `plan`, `quantity(owner, settings)` says what
    `defend` trains in addition, in images that a plain training would see in that time. A variant is made anew once the
    module has changed, or what it imports of faceleak, of its own package or of files in its folder.
    """

    Settings: type[Options]
    BYPASSES: tuple[str, ...]

    def defend(self, owner: "Owner", settings: Any, seed: int) -> "Backbone":
        """Return a defended backbone in eval mode; the owner's stays as it is. Same seed, same result."""
        ...


registry: Registry[DefenseModule] = Registry(
    "faceleak.defenses",
    "defense",
    DefenseModule,
    returns={"defend": lambda function, result, *_, **__: check_backbone(function, result, "owner.backbone")},
)
