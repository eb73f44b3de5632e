"""Shell commands that the docs tell people to type: which there are, and whether they can be run as they stand."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import click
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.cli.cli import KedroCLI

from faceleak import pipelines
from faceleak.runs.configuration import check_parameters
from faceleak.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:kedro|dvc|make|python -m) [^`]+)`")
IN_YAML = re.compile(r"(?:run|cmd): (kedro .*)")
SHELL = ("", "sh", "bash", "console")
PLACEHOLDER = re.compile(r"[<…]|\bX\b")
NOT_OURS = ("pip", "git", "cp", "mkdir", "pre-commit", "source", "export", "apt-get", "ray", "mlflow")


@dataclass(frozen=True)
class Command:
    """One command, and the file that says it."""

    file: str
    line: str

    @property
    def words(self) -> list[str]:
        """As a shell splits it, without comment."""
        return shlex.split(self.line, comments=True)


def commands() -> list[Command]:
    """All of README, CONTRIBUTING and docs, each once a file."""
    files = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
    return [
        Command(str(file.relative_to(PROJECT)), line)
        for file in files
        for line in dict.fromkeys(_lines(file.read_text()))
    ]


def _lines(text: str) -> Iterator[str]:
    for language, body in BLOCK.findall(text):
        if language in SHELL:
            for line in body.replace("\\\n", " ").splitlines():
                yield from filter(None, map(str.strip, line.partition(" #")[0].split("&&")))
        elif language in ("yaml", "yml"):
            yield from IN_YAML.findall(body)
    prose = BLOCK.sub("", text)
    yield from (line for line in INLINE.findall(prose) if not PLACEHOLDER.search(line))


def check(words: list[str]) -> None:
    """Raise where the command cannot be run as it stands: an unknown program is one that nobody has thought of."""
    program, *arguments = words
    if program == "kedro":
        check_kedro(arguments)
    elif program == "dvc":
        check_dvc(arguments)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (PROJECT / "Makefile").read_text(), re.MULTILINE), "no such target"
    elif words[:2] == ["python", "-m"]:
        assert find_spec(words[2]) is not None, f"there is no module {words[2]}"
    else:
        assert program in NOT_OURS, f"{program!r} is no command; label what is no command as ```text"


@cache
def _kedro() -> KedroCLI:
    return KedroCLI(PROJECT)


def check_kedro(arguments: list[str]) -> None:
    """Parse the options; for `run`, also find pipelines and environment, and validate the parameters."""
    command: click.Command = _kedro()
    context = click.Context(command)
    rest = [word for word in arguments if not word.startswith("--config=")]
    while isinstance(command, click.Group):
        name, *rest = rest
        found = command.get_command(context, name)
        assert found is not None, f"kedro has no command {name}"
        command = found
    options = command.make_context(str(command.name), list(rest)).params
    if command.name == "run" and arguments[0] == "run":
        check_run(options)
        check_config_files(arguments)


def check_run(options: dict[str, Any]) -> None:
    """What `kedro run` would find out before any work."""
    known = {module.name for module in iter_modules(pipelines.__path__)}
    asked = {*(options["pipelines"] or []), *filter(None, [options["pipeline"]])}
    assert asked <= known, f"there is no pipeline {', '.join(asked - known)}"
    env = options["env"] or "base"
    assert (PROJECT / "conf" / env).is_dir(), f"there is no environment {env}"
    if options["params"]:
        _check_parameters(env, options["params"])
    else:
        _check_environment(env)


@cache
def _check_environment(env: str) -> None:
    _check_parameters(env, {})


def _check_parameters(env: str, runtime: dict[str, Any]) -> None:
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env=env, runtime_params=runtime, **CONFIG_LOADER_ARGS)
    check_parameters(dict(loader["parameters"]))


def check_config_files(arguments: list[str]) -> None:
    """A file that `--config` takes is one that a pipeline writes."""
    given = {word.removeprefix("--config=") for word in arguments if word.startswith("--config=")}
    assert given <= _written(), f"no pipeline writes {', '.join(given - _written())}"


@cache
def _written() -> frozenset[str | None]:
    """The files of the catalog."""
    catalog = OmegaConfigLoader(str(PROJECT / "conf"), env="base", **CONFIG_LOADER_ARGS)["catalog"]
    return frozenset(entry.get("dataset", entry).get("filepath") for entry in catalog.values())


def check_dvc(arguments: list[str]) -> None:
    """Parse the command line; find the stages and parameters that it names."""
    from dvc.cli import parse_args

    parsed = parse_args(arguments)
    if arguments[0] == "repro":
        stages = set(yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"])
        assert set(parsed.targets) <= stages, f"dvc.yaml has no stage {', '.join(set(parsed.targets) - stages)}"
    for override in getattr(parsed, "set_param", None) or []:
        file, _, setting = override.partition(":")
        tree = yaml.safe_load((PROJECT / file).read_text())
        for key in setting.partition("=")[0].split("."):
            assert key in tree, f"{file} has no key {setting}"
            tree = tree[key]
