"""Undoings by name: the name is the file in this room and stands in a defence's UNDOINGS."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from faceleak.defenses import undoing
from faceleak.errors import FaceleakError
from faceleak.named import check_name, files_of

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import OwnFaces


class UnknownUndoingError(FaceleakError):
    """No undoing has this name."""


class UndoingModule(Protocol):
    """What a file of this room defines.

    ACCESS: what it takes, `weights` or (queries for) `embeddings`. IS_A_BACKBONE: whether the result can be saved and
    loaded like any backbone, so that it is made only once, and anew once its file or what that imports has changed.
    NEEDS_BN, if true: a backbone without BN layers cannot be undone so, and nobody tries.
    """

    ACCESS: str
    IS_A_BACKBONE: bool

    def undo(self, released: "Backbone", own: "OwnFaces") -> "Backbone":
        """Return a backbone from which the defence is gone as far as can be; the released one stays as it is."""
        ...


def names() -> list[str]:
    """All undoings there are."""
    return files_of(undoing, frozenset({"registry"}))


def possible(undoings: Sequence[str], released: "Backbone") -> list[str]:
    """Those of the undoings that can be tried on a backbone. Raises UnknownUndoingError."""
    from faceleak.backbones.batch_norm import batch_norms

    return [name for name in undoings if not getattr(get(name), "NEEDS_BN", False) or batch_norms(released.net)]


def get(name: str) -> UndoingModule:
    """Import an undoing. Raises UnknownUndoingError."""
    known = check_name(name, "undoing", names(), UnknownUndoingError)
    module: Any = import_module(f"faceleak.defenses.undoing.{known}")
    chosen: UndoingModule = module
    return chosen
