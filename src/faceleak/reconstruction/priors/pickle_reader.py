"""Reading official StyleGAN2 pickles without unpickling: unpickling runs whatever a file says.

The file is walked through opcode by opcode with `pickletools`. Nothing that it names is imported or called: the few
globals that such files need (below) stand for plain data here, and any other is refused by its name. Tensors stay
places in the file until they are asked for, so that no claimed size is believed.
"""

import mmap
import pickletools
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

from faceleak.reconstruction.priors.errors import PriorError
from faceleak.reconstruction.priors.pickle_calls import CALLS, STORAGES, Global, NotAllowedError, Place

LARGEST_FILE = 8 << 30
MOST_OPCODES = 5_000_000
LONGEST_LINE = 256
LENGTH_BYTES = {"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
VALUES = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1"})
IGNORED = frozenset({"PROTO", "FRAME"})
PUTS, GETS = frozenset({"BINPUT", "LONG_BINPUT"}), frozenset({"BINGET", "LONG_BINGET"})
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
TENSORFLOW = "dnnlib.tflib"
MARK = object()


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
    content.seek(0)
    try:
        return _walk(cast("IO[bytes]", _Lines(content)), content)
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
    _, version, machine, described, keys = (_walk(stream, None) for _ in range(5))
    kind, storage, key, _, count = described[:5]
    if version != 1001 or not machine["little_endian"] or kind != "storage" or keys != [key]:
        raise ValueError("a storage of an unknown format")
    if not isinstance(storage, Global) or str(storage) not in STORAGES:
        raise ValueError("a storage of an unknown type")
    values = memoryview(content)[stream.tell() + 8 :]
    if int.from_bytes(stream.read(8), "little") != count or len(values) != count * STORAGES[str(storage)].itemsize:
        raise ValueError("a storage of another length than stated")
    return str(storage), values


class _Lines:
    """A file for pickletools whose lines are short. Bytes are no longer than the file, whatever length is claimed."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self.tell, self.read = content.tell, content.read

    def readline(self, _: int | None = -1) -> bytes:
        start = self._content.tell()
        return self._content.read(max(0, self._content.find(b"\n", start, start + LONGEST_LINE) + 1 - start))


def _walk(stream: IO[bytes], content: mmap.mmap | None) -> Any:
    machine = _Machine(content)
    for number, (opcode, argument, offset) in enumerate(pickletools.genops(stream)):
        if opcode.name == "STOP":
            return machine.stack.pop()
        if number > MOST_OPCODES:
            raise ValueError("too many opcodes")
        machine.step(opcode.name, argument, offset or 0)
    raise ValueError("it ends too early")


class _Machine:
    """The stack and the memory of a pickle. content: where bytes lie, or None inside a storage."""

    def __init__(self, content: mmap.mmap | None) -> None:
        self.content = content
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any, offset: int) -> None:
        """Follow one opcode. Raises NotAllowedError where it is none of those that tensors take."""
        if name in IGNORED:
            return
        if name in VALUES or name in CONSTANTS:
            self.stack.append(CONSTANTS.get(name, argument))
        elif name in LENGTH_BYTES:
            self.stack.append(Place(self.content, offset + 1 + LENGTH_BYTES[name], len(argument)))
        elif name in PUTS or name == "MEMOIZE":
            self.memory[len(self.memory) if name == "MEMOIZE" else argument] = self.stack[-1]
        elif name in GETS:
            self.stack.append(self.memory[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID"):
            self._refer(name, argument)
        else:
            self._collect(name)

    def _refer(self, name: str, argument: Any) -> None:
        """Globals, and what is made of them."""
        if name == "GLOBAL":
            self.stack.append(Global.named(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            self.stack[-2:] = [Global.named(*self.stack[-2:])]
        elif name in ("REDUCE", "NEWOBJ"):
            called, arguments = self.stack[-2:]
            if not isinstance(called, Global) or str(called) not in CALLS:
                raise NotAllowedError(f"a call of {called if isinstance(called, Global) else type(called).__name__}")
            self.stack[-2:] = [CALLS[str(called)](*arguments)]
        elif name == "BUILD":
            state = self.stack.pop()
            if not isinstance(self.stack[-1], str) and state:  # the type of a numpy number is a str here
                raise NotAllowedError("a state for an object that has none")
        elif self.content is not None:  # BINPERSID: only a storage describes itself so
            raise NotAllowedError("a persistent id")

    def _collect(self, name: str) -> None:
        """Lists, tuples, sets and dicts."""
        if name == "MARK":
            self.stack.append(MARK)
        elif name in ("EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE", "EMPTY_DICT"):
            self.stack.append({} if name == "EMPTY_DICT" else () if name == "EMPTY_TUPLE" else [])
        elif name == "TUPLE":
            self.stack.append(tuple(self._since_mark()))
        elif name in TUPLES:
            self.stack[-TUPLES[name] :] = [tuple(self.stack[-TUPLES[name] :])]
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            items = [self.stack.pop()] if name == "APPEND" else self._since_mark()
            self.stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [self.stack.pop(-2), self.stack.pop()] if name == "SETITEM" else self._since_mark()
            if not all(isinstance(key, str | int) for key in items[::2]):
                raise NotAllowedError("a dict with other keys than words and numbers")
            self.stack[-1].update(zip(items[::2], items[1::2], strict=True))
        else:
            raise NotAllowedError(f"the opcode {name}")

    def _since_mark(self) -> list[Any]:
        items = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]
