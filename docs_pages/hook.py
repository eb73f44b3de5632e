"""MkDocs calls this while it builds: generated pages are added, and links that are named after files get titles."""

import re
import sys
from pathlib import Path
from posixpath import dirname, join, normpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PROJECT = Path(__file__).parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "src")]

from docs_pages import api, catalog, configuration, repository  # noqa: E402

NAMED_AFTER_ITS_FILE = re.compile(r"\[(?:docs/)?[\w./-]+\.md\]\(([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every generated page. What lacks a description there is a warning, and so an error of a strict build."""
    pages = {
        **repository.pages(PROJECT),
        "configuration.md": configuration.page(PROJECT / "conf"),
        "catalog.md": catalog.page(PROJECT),
        **api.pages(PROJECT / "src"),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Write `[faces.md](faces.md)`, as one reads it on a code host, with the title of the page."""

    def titled(link: re.Match[str]) -> str:
        target = files.get_file_from_path(normpath(join(dirname(page.file.src_uri), link[1])))
        if target is None:
            return link[0]  # MkDocs will complain of it
        title = target.content_string.partition("\n")[0].removeprefix("# ")
        return f"[{title}]({link[1]}{link[2] or ''})"

    return NAMED_AFTER_ITS_FILE.sub(titled, markdown)
