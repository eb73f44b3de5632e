"""Defences by name: the name is the file in this room and the key in the configuration."""

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from faceleak import defenses
from faceleak.errors import FaceleakError
from faceleak.named import check_name, files_of

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone

NOT_DEFENSES = frozenset({"registry", "options", "undoing"})


class UnknownDefenseError(FaceleakError):
    """No defence has this name."""


class DefenseModule(Protocol):
    """What a file of this room defines."""

    def defend(self, backbone: "Backbone", strength: float, seed: int) -> "Backbone":
        """Return a defended copy; the backbone handed in stays as it is. Strength 0 changes nothing."""
        ...


def names() -> list[str]:
    """All defences there are."""
    return files_of(defenses, NOT_DEFENSES)


def check_defense(name: str) -> str:
    """Return `name`, or raise UnknownDefenseError with the known names and the nearest one."""
    return check_name(name, "defence", names(), UnknownDefenseError)


def get(name: str) -> DefenseModule:
    """Import the file of a defence. Raises UnknownDefenseError."""
    module: DefenseModule = import_module(f"faceleak.defenses.{check_defense(name)}")
    return module
