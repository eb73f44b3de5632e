"""API reference: one page a room, every module in it, by mkdocstrings."""

from collections.abc import Iterable
from pathlib import Path

WITHOUT_HEADING = "\n    options:\n      show_root_heading: false\n"


def pages(source: Path) -> dict[str, str]:
    """Path in the site → Markdown, with a line for mkdocstrings in the place of each module."""
    package = source / "faceleak"
    rooms = [found.parent for found in package.glob("*/__init__.py")]
    of_rooms = {f"api/{room.name}.md": _page(f"faceleak.{room.name}", room.rglob("*.py"), source) for room in rooms}
    return {**of_rooms, "api/project.md": _page("faceleak", package.glob("*.py"), source)}


def _page(room: str, files: Iterable[Path], source: Path) -> str:
    modules = [_module(file.relative_to(source)) for file in sorted(files)]
    lines = [f"::: {module}{WITHOUT_HEADING if module == room else ''}" for module in modules]
    return "\n\n".join([f"# {room}", *lines, ""])


def _module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")
