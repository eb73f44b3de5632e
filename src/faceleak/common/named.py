"""Parts by name: a file of a room, or a module or object of the user's own. An unknown name is a clear error."""

import ast
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache, wraps
from importlib import import_module, invalidate_caches
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from inspect import Parameter, get_annotations, isfunction, isroutine, signature
from pathlib import Path
from pkgutil import iter_modules
from symtable import symtable
from traceback import extract_tb
from types import MappingProxyType, ModuleType
from typing import Any, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from faceleak.common.errors import FaceleakError

PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?")
PAGE = "docs/own-parts.md"
T = TypeVar("T")


class UnknownNameError(FaceleakError):
    """Nothing has this name, or what has it lacks what a part of its kind defines."""


class BrokenFileError(FaceleakError):
    """A file that a name leads to is no Python."""


class PartError(FaceleakError):
    """A part of the user's own failed, or returned what a part of its kind does not return."""


class OwnPart:
    """A part of the user's own whose functions say which part they are of, if they fail or return what they must not.

    returns: function → a check of what it returned, given how to call the function, the result and the arguments.
    """

    def __init__(self, name: str, module: ModuleType, found: Any, returns: Mapping[str, Callable[..., None]]) -> None:
        self._name, self._module, self._found, self._returns = name, module, found, returns

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._found, name)
        if not isroutine(value) or name.startswith("__"):
            return value
        what, check, module = f"`{name}` of {self._name}", self._returns.get(name), self._module.__name__

        @wraps(value)
        def named(*args: Any, **kwargs: Any) -> Any:
            with blaming(what, module):
                result = value(*args, **kwargs)
            if check is not None:
                check(what, result, *args, **kwargs)
            return result

        self.__dict__[name] = named
        return named

    def __dir__(self) -> list[str]:
        return dir(self._found)


@contextmanager
def blaming(what: str, module: str) -> Iterator[None]:
    """Errors of somebody else's code as PartError, with the place in their own file; those of faceleak as they are."""
    try:
        yield
    except (FaceleakError, MemoryError):
        raise
    except Exception as error:
        file = Path(getattr(sys.modules.get(module), "__file__", None) or module)
        places = [(Path(frame.filename), frame.lineno) for frame in extract_tb(error.__traceback__)]
        own = [(place, line) for place, line in places if place == file] or [
            (place, line) for place, line in places if place.parent == file.parent
        ]
        where = f"{own[-1][0]}:{own[-1][1]}" if own else str(file)
        raise PartError(f"{what} failed ({said(error)}) at {where}.") from error


class Registry(Generic[T]):
    """Parts of one kind by name: the files of a package, and modules or objects of the user's own.

    A name is that of a file of the package, or an import path `package.module` or `package.module:object`; what it
    leads to defines all that one of `protocols` has. An object that is a class is called without arguments first.
    Nothing is imported but what a name leads to; that is on Python's path, or lies in the folder in which the command
    was run. As an annotation of a text it checks names in a configuration: `Annotated[str, registry]`.

    package: full name; none where all parts that come with faceleak are `words`. kind: what one part is called. words:
    other names that the configuration knows. made: name and what it leads to → the part; without it, that is it.
    returns: function → a check of what that function of a part of the user's own returns.
    """

    def __init__(
        self,
        package: str,
        kind: str,
        *protocols: Any,
        words: Collection[str] = (),
        made: Callable[[str, Any], T] = lambda _, found: found,
        returns: Mapping[str, Callable[..., None]] = MappingProxyType({}),
    ) -> None:
        self.package, self.kind, self.words = package, kind, tuple(words)
        self._protocols, self._made, self._returns = protocols, made, returns
        self._loaded: dict[str, tuple[ModuleType, T]] = {}

    def names(self) -> list[str]:
        """All parts of this kind that come with faceleak, in order, without `words`; nothing is imported to know."""
        files = files_of(import_module(self.package)) if self.package else []
        return [name for name in files if self._is_one(names_in(f"{self.package}.{name}"))]

    def check(self, name: str) -> str:
        """Return `name` if there is such a part, without running it if its source says enough.

        Raises UnknownNameError, with all known names and the nearest one.
        """
        if name not in self.words:
            self.defined_by(name)
        return name

    def module(self, name: str) -> str:
        """Full name of the module that `name` leads to, by which its code enters keys. Raises UnknownNameError."""
        if is_path(name):
            return find(name, self.kind, UnknownNameError)
        if name.isidentifier():
            if self.package and name in files_of(import_module(self.package)):
                file = f"{self.package}.{name}"
                if self._is_one(names_in(file)):
                    return file
            elif is_there(name) and self._is_one(names_in(name)):
                return name
        own = f" Or name one of your own by its import path, package.module or package.module:object: see {PAGE}."
        known = [*self.words, *self.names()]
        raise UnknownNameError(f"{unknown(name, self.kind, known)}{own}")

    def defined_by(self, name: str) -> frozenset[str]:
        """What the part defines, read off its source if possible. Raises UnknownNameError."""
        module, _, named = name.partition(":")
        if not named:
            defined = names_in(self.module(module))
            if self._is_one(defined):
                return defined
        return frozenset(dir(self.get(name)))

    def constant(self, name: str, constant: str) -> Any:
        """The value of a constant that the part defines: by its source alone where it stands there."""
        module, _, named = name.partition(":")
        known = {} if named else _defined(self.module(module))
        value = known.get(constant, ...)
        return getattr(self.get(name), constant) if value is ... else value

    def get(self, name: str) -> T:
        """Import a part. Raises UnknownNameError if there is none, or it lacks what a part of this kind defines."""
        if name in self._loaded:
            module, part = self._loaded[name]
            if sys.modules.get(module.__name__) is module:
                return part
        home = self.module(name)
        path = name if is_path(name) else home
        module, found = imported(path, self.kind, UnknownNameError)
        if isinstance(found, type):
            try:
                found = found()
            except Exception as error:
                raise UnknownNameError(
                    f"The {self.kind} {name!r} is a class, and to call it without arguments failed ({said(error)}). "
                    "Give each argument a default, or name an object of the class."
                ) from error
        self._check(found, path)
        if not is_of_faceleak(module.__name__):
            found = OwnPart(name, module, found, self._returns)
        self._loaded[name] = module, self._made(name, found)
        return self._loaded[name][1]

    def get_own(self, name: str) -> str:
        """Return `name`, a part of the user's own imported: what it defines is checked. Raises UnknownNameError."""
        if name not in self.words and not is_of_faceleak(self.module(name)):
            self.get(name)
        return name

    def _is_one(self, defined: Collection[str]) -> bool:
        return any(parts_of(protocol).keys() <= set(defined) for protocol in self._protocols)

    def _check(self, found: object, path: str) -> None:
        """Raise UnknownNameError unless `found` has what a part of this kind defines, as it has to be."""
        missing = {protocol: lacking(found, protocol) for protocol in self._protocols}
        protocol = min(missing, key=lambda one: len(missing[one]))
        alternatives = "; or ".join(", ".join(parts_of(one).values()) for one in self._protocols)
        defines = f"A {self.kind} defines {alternatives}: see {PAGE}."
        if missing[protocol]:
            raise UnknownNameError(f"{path} lacks {', '.join(missing[protocol])}. {defines}")
        for name, kind in get_annotations(protocol).items():
            value = getattr(found, name)
            try:
                TypeAdapter(kind).validate_python(value)
            except ValidationError as error:
                problem = error.errors()[0]["msg"]
                raise UnknownNameError(f"{name} of {path} is {value!r}: {problem}. {defines}") from error
        for name, method in vars(protocol).items():
            if isfunction(method) and name in parts_of(protocol):
                _check_call(getattr(found, name), method, f"`{name}` of {path}", f"{defines}")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "examples": [*self.words, *self.names()]}


def _check_call(found: Any, expected: Callable[..., Any], what: str, defines: str) -> None:
    """Raise UnknownNameError unless `found` can be called as the method `expected` of a protocol is."""
    if not callable(found):
        raise UnknownNameError(f"{what} is a {type(found).__name__}, not a function. {defines}")
    try:
        takes = signature(found)
    except ValueError:  # of functions that are not written in Python
        return
    _, *asked = signature(expected).parameters.values()  # without `self`
    given = [one.name for one in asked if one.kind is not Parameter.KEYWORD_ONLY]
    offered = [one.name for one in asked if one.kind is Parameter.KEYWORD_ONLY]
    try:
        takes.bind(*given, **dict.fromkeys(taken(found, offered)))
    except TypeError as error:
        raise UnknownNameError(
            f"{what} takes {takes}, and is called with ({', '.join(given)}): {error}. {defines}"
        ) from error


def parts_of(protocol: Any) -> Mapping[str, str]:
    """Names that a protocol defines, constants first, and how each is written."""
    methods = {
        name: f"{name}({', '.join([*signature(method).parameters][1:])})" if isfunction(method) else name
        for name, method in vars(protocol).items()
        if (isfunction(method) or isinstance(method, property)) and not hasattr(object, name)
    }
    return {name: name for name in get_annotations(protocol)} | methods


def lacking(found: object, protocol: Any) -> list[str]:
    """What an object does not have of what a protocol defines."""
    return [written for name, written in parts_of(protocol).items() if not hasattr(found, name)]


def taken(function: Callable[..., Any], offered: Collection[str]) -> list[str]:
    """Those of the offered named arguments that a function takes."""
    parameters = signature(function).parameters
    return [name for name in offered if name in parameters]


def is_of_faceleak(module: str) -> bool:
    """Whether a module, by its full name, comes with faceleak."""
    return module.partition(".")[0] == __name__.partition(".")[0]


def is_path(name: str) -> bool:
    """Whether a name is an import path, and not that of a file of a room."""
    return "." in name or ":" in name


def find(path: str, kind: str, error: type[FaceleakError]) -> str:
    """Name the module of an import path that can be found; it is not run. Raises `error`."""
    module = path.partition(":")[0]
    if not PATH.fullmatch(path):
        raise error(f"{path!r} names no {kind}: an import path is written package.module or package.module:object.")
    if not is_there(module):
        package, _, last = module.rpartition(".")
        if (places := _places_of(package)) is not None:
            near = get_close_matches(last, [one.name for one in iter_modules(places)], n=1)
            hint = f" Did you mean {f'{package}.{near[0]}'!r}?" if near else ""
            raise error(
                f"The module {module!r} of the {kind} {path!r} cannot be found. Package {package!r} was found; it has "
                f"no module {last!r}.{hint}"
            )
        raise error(
            f"The module {module!r} of the {kind} {path!r} cannot be found. Install the package that holds it, or put "
            "its folder on PYTHONPATH; src/ and the folder in which the command is run are looked through as well."
        )
    return module


def imported(path: str, kind: str, error: type[FaceleakError]) -> tuple[ModuleType, Any]:
    """Import a module, and the object that `path` names in it, or the module itself. Raises `error`."""
    name, _, wanted = path.partition(":")
    find(path, kind, error)
    try:
        module = import_module(name)
    except Exception as problem:  # whatever the module's own code raises
        raise error(f"The module of the {kind} {path!r} cannot be imported ({said(problem)}).") from problem
    if wanted and not hasattr(module, wanted):
        near = get_close_matches(wanted, vars(module), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise error(f"There is no {kind} {path!r}: {name} has no {wanted}.{hint}")
    return module, getattr(module, wanted) if wanted else module


def is_there(module: str) -> bool:
    """Whether a module can be found: on Python's path, or in the folder in which the command was run.

    That folder joins Python's path, as its last place, only once a module that lies in it is asked for. What is asked
    for is not run, but the packages that it lies in are.
    """
    if _spec(module) is not None:
        return True
    invalidate_caches()  # it may have been written a moment ago
    place = Path.cwd().joinpath(*module.split("."))
    if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
        sys.path.append(str(Path.cwd()))
    return _spec(module) is not None


def _spec(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (ImportError, ValueError):  # of a package that it lies in, or a module without a specification
        return None


def _places_of(package: str) -> list[str] | None:
    """Folders of a package, found as modules are, but without a change of Python's path; None if there is none."""
    spec = _spec(package) if package else None
    if spec is not None:
        return spec.submodule_search_locations
    place = Path.cwd().joinpath(*package.split("."))
    return [str(place)] if package and (place / "__init__.py").is_file() else None


def said(error: Exception) -> str:
    """An error of somebody else's code, in a word and what it says."""
    return f"{type(error).__name__}: {error}"


def files_of(room: ModuleType) -> list[str]:
    """Names of the files in a package, in order."""
    return sorted(module.name for module in iter_modules(room.__path__))


def names_in(module: str) -> frozenset[str]:
    """What a file defines or imports, read off its source: nothing is imported. Raises BrokenFileError."""
    return frozenset(_defined(module))


def _defined(module: str) -> Mapping[str, Any]:
    """What a file defines or imports, and the values of those constants that stand there; `...` for all else."""
    spec = _spec(module)
    if spec is None or not spec.has_location or spec.origin is None or not spec.origin.endswith(".py"):
        return {}
    return _defined_in(Path(spec.origin), Path(spec.origin).stat().st_mtime_ns)


@cache
def _defined_in(source: Path, _: int) -> Mapping[str, Any]:
    try:
        text = source.read_text(encoding="utf-8")
        symbols, tree = symtable(text, str(source), "exec").get_symbols(), ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise BrokenFileError(f"{source} is no Python ({error}). Correct it, or move it out of its folder.") from error
    found: dict[str, Any] = {
        symbol.get_name(): ... for symbol in symbols if symbol.is_assigned() or symbol.is_imported()
    }
    return found | {
        statement.targets[0].id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
    }


def check_name(name: str, kind: str, known: Collection[str], error: type[FaceleakError]) -> str:
    """Return `name`, or raise `error` with the known names and the nearest one."""
    if name not in known:
        raise error(unknown(name, kind, known))
    return name


def unknown(name: str, kind: str, known: Collection[str]) -> str:
    """What to say of a name that nothing has."""
    near = get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no {kind} {name!r}.{hint} Known: {', '.join(known)}."
