"""Files of the repository that are pages too: links that lead out of `docs/` there stay inside it here."""

import re
from pathlib import Path

PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"\]\((?:docs/)?([^):#]+)(#[^)]*)?\)")


def pages(project: Path) -> dict[str, str]:
    """Path in the site → Markdown."""
    return {page: LINK.sub(_inside, (project / name).read_text()) for name, page in PAGES.items()}


def _inside(link: re.Match[str]) -> str:
    return f"]({PAGES.get(link[1], link[1])}{link[2] or ''})"
