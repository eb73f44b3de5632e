"""API reference: one page a room, every module in it, by mkdocstrings."""

import ast
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


def pages(source: Path) -> dict[str, str]:
    """Path in the site → Markdown, with a line for mkdocstrings in the place of each module."""
    package = source / "faceleak"
    rooms = {f"api/{room}.md": _page(room, sorted((package / room).rglob("*.py")), source) for room in ROOMS}
    return {**rooms, "api/project.md": _page("project", sorted(package.glob("*.py")), source)}


def _page(title: str, files: list[Path], source: Path) -> str:
    modules = [".".join(file.relative_to(source).with_suffix("").parts) for file in files if _says_something(file)]
    return f"# {title}\n\n" + "\n\n".join(f"::: {module.removesuffix('.__init__')}" for module in modules) + "\n"


def _says_something(file: Path) -> bool:
    return file.name != "__init__.py" or ast.get_docstring(ast.parse(file.read_text())) is not None
