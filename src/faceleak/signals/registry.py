"""Signals by name: the name is the file in this room, the key in the configuration and part of column names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from faceleak import signals
from faceleak.errors import FaceleakError
from faceleak.named import check_name, files_of, names_in

if TYPE_CHECKING:
    from torch import Tensor, nn

    from faceleak.signals.gathering import Gathering
    from faceleak.signals.observation import Need, Observation

Access = Literal["weights", "embeddings", "head", "nothing"]  # `head`: embeddings and the classification head


class UnknownSignalError(FaceleakError):
    """No signal has this name."""


@dataclass(frozen=True)
class Signal:
    """What a backbone shows for one image.

    access: what the attacker must touch. needs: what it reads of a forward pass. compute: observation of n faces →
    (n, columns), differentiable in the faces. column_names: network → a name for each column; without it they are
    numbered. layer_of: name of a column → the BN layer at which it is read; signals that are not read layer by layer
    have none. extra_passes: forward passes of its own, besides the one that all signals share.
    """

    name: str
    access: Access
    needs: frozenset["Need"]
    compute: Callable[["Observation"], "Tensor"]
    column_names: Callable[["nn.Module"], list[str]] | None
    layer_of: Callable[[str], str] | None
    extra_passes: int

    def read(self, backbone: "nn.Module", faces: "Tensor") -> "Tensor":
        """Read this signal alone: (backbone, faces (n, 3, h, w) in 0…1) → (n, columns)."""
        from faceleak.signals.observation import observe

        return self.compute(observe(backbone, faces, self.needs))


@dataclass(frozen=True)
class Comparison:
    """A signal that compares an image's embedding with those of other images, or with the classes of the head.

    compare: n images and what they can be compared with → (n, columns).
    """

    name: str
    access: Access
    columns: Sequence[str]
    compare: Callable[["Gathering"], NDArray[np.float32]]


def names() -> list[str]:
    """All signals there are: the files of this room that define `compute` or `compare`."""
    return [name for name in files_of(signals, ()) if _defined_by(name) & {"compute", "compare"}]


def check_signal(name: str) -> str:
    """Return `name`, or raise UnknownSignalError with the known names and the nearest one."""
    return check_name(name, "signal", names(), UnknownSignalError)


def is_read_off_images(name: str) -> bool:
    """Whether the signal is read off single images, and not by comparing them."""
    return "compare" not in _defined_by(name)


def _defined_by(name: str) -> frozenset[str]:
    return names_in(f"faceleak.signals.{name}")  # where options are checked, torch is not to be imported


def get(name: str) -> Signal | Comparison:
    """Import the file of a signal. Raises UnknownSignalError."""
    module = import_module(f"faceleak.signals.{check_signal(name)}")
    if not is_read_off_images(name):
        return Comparison(name, module.ACCESS, module.COLUMNS, module.compare)
    column_names, layer_of = getattr(module, "column_names", None), getattr(module, "layer_of", None)
    extra_passes = getattr(module, "EXTRA_PASSES", 0)
    return Signal(name, module.ACCESS, frozenset(module.NEEDS), module.compute, column_names, layer_of, extra_passes)


def get_reader(name: str) -> Signal:
    """A signal that is read off single images. Raises UnknownSignalError for one that compares images."""
    signal = get(name)
    if isinstance(signal, Comparison):
        raise UnknownSignalError(f"The signal {name!r} compares images with each other; it cannot be read off one.")
    return signal
