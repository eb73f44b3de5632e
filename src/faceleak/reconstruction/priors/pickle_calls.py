"""What the globals of an official StyleGAN2 pickle stand for: plain data, made without importing or calling them.

Nothing here copies, prints or hashes what it is given before its type is known: a few hundred bytes of pickle can nest
references into a structure whose copy, text or hash would never end.
"""

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


class NotAllowedError(Exception):
    """A pickle names something that reading tensors does not take. The message is what it names."""


@dataclass(frozen=True)
class Global:
    """A class or function by its name."""

    module: str
    name: str

    @classmethod
    def named(cls, module: Any, name: Any) -> "Global":
        """Raises NotAllowedError unless it is one that such files need."""
        if not (isinstance(module, str) and isinstance(name, str)):
            raise NotAllowedError("a global without a name")
        found = cls(module, name)
        if str(found) not in CALLS and str(found) not in STORAGES:
            raise NotAllowedError(str(found))
        return found

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Place:
    """Where bytes lie in the file."""

    content: mmap.mmap | None
    offset: int
    length: int

    def bytes(self) -> bytes:
        """The bytes themselves. Raises ValueError inside a storage, which has none."""
        if self.content is None:
            raise ValueError("bytes in the description of a storage")
        return self.content[self.offset : self.offset + self.length]


@dataclass(frozen=True)
class SavedTensor:
    """A tensor that has not been read yet: a storage as `torch.save` wrote it, and a view of it."""

    storage: Place
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Module:
    """A torch module as StyleGAN2-ADA's `persistence` saves it, without the source code that comes with it."""

    class_name: str
    state: dict[str, Any]


STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


def _module(meta: dict[str, Any]) -> Module:
    if not isinstance(meta["class_name"], str) or not isinstance(meta["state"], dict):
        raise TypeError("a module without a name or a state")
    return Module(meta["class_name"], meta["state"])


def _tensor(storage: Place, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> SavedTensor:
    if not isinstance(storage, Place):
        raise TypeError("a tensor without a storage")
    if not all(isinstance(number, int) for number in (offset, *size, *stride)):
        raise TypeError("a tensor whose size is no number")
    return SavedTensor(storage, offset, size, stride)


def _kind(kind: str, *_: Any) -> str:
    if not isinstance(kind, str):
        raise TypeError("a type of numbers without a name")
    return kind


def _number(kind: str, content: Place) -> float | None:
    """A numpy number; only doubles are needed."""
    return float(struct.unpack("<d", content.bytes())[0]) if kind == "f8" else None


CALLS: dict[str, Callable[..., Any]] = {
    "torch_utils.persistence._reconstruct_persistent_obj": _module,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch.storage._load_from_bytes": lambda content: content,
    "collections.OrderedDict": lambda: {},
    "dnnlib.util.EasyDict": lambda: {},
    "builtins.set": lambda items: items,
    "__builtin__.set": lambda items: items,
    "numpy.dtype": _kind,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}
