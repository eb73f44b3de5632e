"""Defences by name: the file in this room, or the import path of a module of the user's own."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from faceleak import defenses
from faceleak.errors import FaceleakError
from faceleak.named import check_name, files_of
from faceleak.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner

NOT_DEFENSES = frozenset({"registry", "options", "undoing", "owner", "pieces", "private", "shadows"})


class UnknownDefenseError(FaceleakError):
    """No defence has this name."""


class DefenseModule(Protocol):
    """What a file of this room, or a module of the user's own, defines.

    Settings: its parameters, each under its name in `defense.variants`. UNDOINGS: the files of `undoing/` that an
    adaptive attacker tries against it. A defence that trains backbones may also define
    `pieces(owner, settings, seed) → list[TrainingPiece]`: all variants' pieces are trained side by side before any
    `defend` is called, which then finds them in the cache. A variant is made anew once the
    module has changed, or what it imports of faceleak, of its own package or of files beside it.
    """

    Settings: type[Options]
    UNDOINGS: tuple[str, ...]

    def defend(self, owner: "Owner", settings: Any, seed: int) -> "Backbone":
        """Return a defended backbone in eval mode; the owner's stays as it is. Same seed, same result."""
        ...


def names() -> list[str]:
    """All defences of this room."""
    return files_of(defenses, NOT_DEFENSES)


def get(name: str) -> DefenseModule:
    """Import a defence. Raises UnknownDefenseError."""
    own = "." in name
    try:
        module: Any = import_module(name if own else f"faceleak.defenses.{_known(name)}")
    except (ModuleNotFoundError, TypeError) as error:  # TypeError: a relative name
        raise UnknownDefenseError(
            f"The defence {name!r} cannot be imported: {error}. A defence of your own is named by the import path of "
            "its module; put its folder on PYTHONPATH, or install it."
        ) from error
    if missing := [part for part in ("Settings", "UNDOINGS", "defend") if not hasattr(module, part)]:
        raise UnknownDefenseError(
            f"The module {name} lacks {', '.join(missing)}. A defence defines Settings (a pydantic model), UNDOINGS "
            "and defend(owner, settings, seed): see docs/defences.md."
        )
    defense: DefenseModule = module
    return defense


def _known(name: str) -> str:
    return check_name(name, "defence", names(), UnknownDefenseError)
