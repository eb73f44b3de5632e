"""Signals by name: the name is the file in this room, the key in the configuration and part of column names."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Literal, Protocol

from faceleak import signals
from faceleak.errors import FaceleakError

if TYPE_CHECKING:
    from torch import Tensor, nn

NOT_SIGNALS = frozenset({"registry", "reading", "pooling"})
Access = Literal["weights", "embeddings", "nothing"]


class UnknownSignalError(FaceleakError):
    """No signal has this name."""


class Signal(Protocol):
    """Reads rows off a backbone: (backbone, faces (n, 3, h, w) in 0…1) → (n, columns), differentiable in `faces`."""

    def __call__(self, backbone: "nn.Module", faces: "Tensor") -> "Tensor": ...


class SignalModule(Protocol):
    """What a file of this room defines: what the attacker must touch, the reader, and a name for each column."""

    ACCESS: Access
    read: Signal
    column_names: Callable[["nn.Module"], list[str]]


def names() -> list[str]:
    """All signals there are."""
    return sorted(module.name for module in iter_modules(signals.__path__) if module.name not in NOT_SIGNALS)


def check_signal(name: str) -> str:
    """Return `name`, or raise UnknownSignalError with the known names and the nearest one."""
    if name not in names():
        near = get_close_matches(name, names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownSignalError(f"There is no signal {name!r}.{hint} Known: {', '.join(names())}.")
    return name


def get(name: str) -> SignalModule:
    """Import the file of a signal. Raises UnknownSignalError."""
    module: SignalModule = import_module(f"faceleak.signals.{check_signal(name)}")
    return module
