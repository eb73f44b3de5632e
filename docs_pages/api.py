"""API reference: one page a room, every module in it, by mkdocstrings."""

from collections.abc import Iterable
from pathlib import Path

ROOMS = (
    "faces",
    "backbones",
    "signals",
    "membership",
    "reconstruction",
    "defenses",
    "metrics",
    "reporting",
    "tuning",
    "datasets",
    "pipelines",
)
WITHOUT_HEADING = "\n    options:\n      show_root_heading: false\n"


def pages(source: Path) -> dict[str, str]:
    """Path in the site → Markdown, with a line for mkdocstrings in the place of each module."""
    package = source / "faceleak"
    rooms = {f"api/{room}.md": _page(f"faceleak.{room}", (package / room).rglob("*.py"), source) for room in ROOMS}
    return {**rooms, "api/project.md": _page("faceleak", package.glob("*.py"), source)}


def _page(room: str, files: Iterable[Path], source: Path) -> str:
    modules = [_module(file.relative_to(source)) for file in sorted(files)]
    lines = [f"::: {module}{WITHOUT_HEADING if module == room else ''}" for module in modules]
    return "\n\n".join([f"# {room}", *lines, ""])


def _module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")
