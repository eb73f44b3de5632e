"""Pickles read opcode by opcode with `pickletools`, because unpickling runs code of the file.

Nothing that a file names is imported: a reader says which opcodes its files need, and what each global stands for; all
else is refused by its name. Bytes stay places in the file until they are asked for, so no claimed size is
believed.

A restricted `pickle.Unpickler` would not do: it allocates its memory by the largest index that a file claims, and it
hashes keys of dicts, which a few hundred bytes can nest so that their hash never ends. Nothing here copies, prints or
hashes what it is given before its type is known.
"""

import mmap
import pickletools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, cast

MOST_OPCODES = 5_000_000
LONGEST_LINE = 256
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
NUMBERS = frozenset({"BININT", "BININT1", "BININT2"})
VALUES = NUMBERS | {"SHORT_BINUNICODE", "BINUNICODE", "BINFLOAT", "LONG1"}
LENGTH_BYTES = {  # opcodes that carry bytes, and how many bytes tell their length
    **{"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8},
    **{"SHORT_BINSTRING": 1, "BINSTRING": 4},  # Python 2
}
BYTES = frozenset({"SHORT_BINBYTES", "BINBYTES", "BINBYTES8"})
PUTS, GETS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"}), frozenset({"GET", "BINGET", "LONG_BINGET"})
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
IGNORED = frozenset({"PROTO", "FRAME"})
MARK = object()


class NotAllowedError(Exception):
    """A pickle names something that its reader does not take. The message is what it names."""


@dataclass(frozen=True)
class Place:
    """Where bytes lie in a file; without a file, nobody may ask for them."""

    content: mmap.mmap | None
    offset: int
    length: int

    def bytes(self) -> bytes:
        """The bytes themselves. Raises ValueError if there is no file."""
        if self.content is None:
            raise ValueError("bytes where none belong")
        return self.content[self.offset : self.offset + self.length]


@dataclass(frozen=True)
class Global:
    """A class or function by its name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class Grammar:
    """What a reader's files are made of.

    opcodes: those that are followed, besides version and frames, which are passed over, and the end. calls: what is
    made if a file calls this global. named: globals that a file may name, and not call.
    """

    opcodes: Collection[str]
    calls: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    named: Collection[str] = ()


def read_mapped(content: mmap.mmap, grammar: Grammar, longest: int) -> Any:
    """What the pickle in a mapped file holds. Bytes are `Place`s; `longest`: how many of them one opcode may carry.

    Raises NotAllowedError if it has anything that the grammar has not, and any other error if it is damaged.
    """
    content.seek(0)
    return walk(cast("IO[bytes]", _Capped(content, longest)), content, grammar)


def walk(stream: IO[bytes], content: mmap.mmap | None, grammar: Grammar) -> Any:
    """The same of the pickle that comes next in a stream, up to its end. content: the file in which bytes lie."""
    machine = _Machine(content, grammar)
    for number, (opcode, argument, offset) in enumerate(pickletools.genops(stream)):
        if opcode.name == "STOP":
            return machine.stack.pop()
        if number > MOST_OPCODES:
            raise ValueError("too many opcodes")
        machine.step(opcode.name, argument, offset or 0)
    raise ValueError("it ends too early")


class _Capped:
    """A file for pickletools whose lines and chunks are short, even if the file claims more."""

    def __init__(self, content: mmap.mmap, longest: int) -> None:
        self._content, self._longest = content, longest
        self.tell = content.tell

    def read(self, length: int = -1) -> bytes:
        if length > self._longest:
            raise ValueError(f"{length:,} bytes claimed at once")
        return self._content.read(length)

    def readline(self, _: int | None = -1) -> bytes:
        start = self._content.tell()
        return self._content.read(max(0, self._content.find(b"\n", start, start + LONGEST_LINE) + 1 - start))


class _Machine:
    """The stack and the memory of a pickle."""

    def __init__(self, content: mmap.mmap | None, grammar: Grammar) -> None:
        self.content, self.grammar = content, grammar
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any, offset: int) -> None:
        """Follow one opcode. Raises NotAllowedError if it is none of the grammar's."""
        if name in IGNORED:
            return
        if name not in self.grammar.opcodes:
            raise NotAllowedError(f"the opcode {name}")
        if name == "BINPERSID":
            return  # an object's description stands for the object
        if name in VALUES or name in CONSTANTS:
            self.stack.append(CONSTANTS.get(name, argument))
        elif name in LENGTH_BYTES:
            self.stack.append(Place(self.content, offset + 1 + LENGTH_BYTES[name], len(argument)))
        elif name in PUTS or name == "MEMOIZE":
            self.memory[len(self.memory) if name == "MEMOIZE" else argument] = self.stack[-1]
        elif name in GETS:
            self.stack.append(self.memory[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL", "REDUCE", "NEWOBJ", "BUILD"):
            self._refer(name, argument)
        else:
            self._collect(name)

    def _refer(self, name: str, argument: Any) -> None:
        """Globals, and what is made of them."""
        if name == "GLOBAL":
            self.stack.append(self._known(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            self.stack[-2:] = [self._known(*self.stack[-2:])]
        elif name in ("REDUCE", "NEWOBJ"):
            called, arguments = self.stack[-2:]
            if not isinstance(called, Global) or str(called) not in self.grammar.calls:
                raise NotAllowedError(f"a call of {called if isinstance(called, Global) else type(called).__name__}")
            self.stack[-2:] = [self.grammar.calls[str(called)](*arguments)]
        elif name == "BUILD":
            state = self.stack.pop()
            if not isinstance(self.stack[-1], str) and state:  # the type of a numpy number is a str here
                raise NotAllowedError("a state for an object that has none")

    def _known(self, module: Any, name: Any) -> Global:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise NotAllowedError("a global without a name")
        found = Global(module, name)
        if str(found) not in self.grammar.calls and str(found) not in self.grammar.named:
            raise NotAllowedError(str(found))
        return found

    def _collect(self, name: str) -> None:
        """Lists, tuples, sets (as lists) and dicts."""
        if name == "MARK":
            self.stack.append(MARK)
        elif name in ("EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE", "EMPTY_DICT"):
            self.stack.append({} if name == "EMPTY_DICT" else () if name == "EMPTY_TUPLE" else [])
        elif name in ("LIST", "TUPLE"):
            self.stack.append(self._since_mark() if name == "LIST" else tuple(self._since_mark()))
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
