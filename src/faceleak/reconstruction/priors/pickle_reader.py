"""Reading official StyleGAN2 pickles without unpickling.

The few globals that such files need stand for plain data here, made without importing or calling them, and any other is
refused by its name. Tensors stay places in the file until they are asked for.
"""

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from faceleak.faces.pickles import BYTES, Global, Grammar, NotAllowedError, Place, read_mapped, walk
from faceleak.reconstruction.priors.prior import PriorError

LARGEST_FILE = 8 << 30
TENSORFLOW = "dnnlib.tflib"


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

OPCODES = BYTES | {
    *("NONE", "NEWTRUE", "NEWFALSE", "SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2", "BINFLOAT"),
    *("LONG1", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD"),
    *("MARK", "EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE", "EMPTY_DICT", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("APPEND", "APPENDS", "ADDITEMS", "SETITEM", "SETITEMS"),
}
OFFICIAL = Grammar(OPCODES, CALLS, STORAGES)
STORAGE = Grammar(OPCODES | {"BINPERSID"}, CALLS, STORAGES)  # which describes itself so


@contextmanager
def open_pickle(path: Path) -> Iterator[mmap.mmap]:
    """Map a file into memory. Raises PriorError where it is missing, empty or larger than any generator."""
    if not path.is_file() or path.stat().st_size == 0:
        raise PriorError(f"There is no checkpoint {path}, or it is empty.")
    if path.stat().st_size > LARGEST_FILE:
        raise PriorError(f"{path} has more than {LARGEST_FILE >> 30} GiB: no StyleGAN2 checkpoint is that large.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def read_pickle(content: mmap.mmap, path: Path) -> Any:
    """What a pickle holds, as plain data: dicts, lists, numbers, `Module` and `SavedTensor`.

    Raises PriorError where it names anything that is not needed for that, or is damaged.
    """
    try:
        return read_mapped(content, OFFICIAL, longest=LARGEST_FILE)
    except NotAllowedError as error:
        hint = (
            "It is a checkpoint of TensorFlow: take its PyTorch version, or convert it with rosinality's "
            "convert_weight.py and use what that writes."
            if str(error).startswith(TENSORFLOW)
            else "Use a checkpoint of StyleGAN2-ADA's PyTorch code as it was published."
        )
        raise PriorError(
            f"{path} names {error}, which reading tensors does not take. A pickle may run any program when it is "
            f"unpickled, so faceleak only follows what it knows. {hint}"
        ) from error
    except Exception as error:  # of a damaged file: pickletools and an empty stack raise whatever they stumble on
        raise PriorError(f"{path} is damaged ({type(error).__name__}: {error}). Copy it again.") from error


def read_storage(content: bytes) -> tuple[str, memoryview]:
    """Take apart what `torch.save` wrote of one storage, in its format of before 1.6: type (`FloatStorage`, …), bytes.

    Four pickles (a magic number, a version, the machine, the storage's description), the list of keys, a count, the
    values. Raises ValueError where it is anything else.
    """
    stream = BytesIO(content)
    _, version, machine, described, keys = (walk(stream, None, STORAGE) for _ in range(5))
    kind, storage, key, _, count = described[:5]
    if version != 1001 or not machine["little_endian"] or kind != "storage" or keys != [key]:
        raise ValueError("a storage of an unknown format")
    if not isinstance(storage, Global) or str(storage) not in STORAGES:
        raise ValueError("a storage of an unknown type")
    values = memoryview(content)[stream.tell() + 8 :]
    if int.from_bytes(stream.read(8), "little") != count or len(values) != count * STORAGES[str(storage)].itemsize:
        raise ValueError("a storage of another length than stated")
    return str(storage), values
