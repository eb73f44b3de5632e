"""The site builds strictly, leads nowhere that is not there, and asks no other host."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from faceleak.runs.configuration import Parameters

PROJECT = Path(__file__).parents[2]
LOADING = {"src", "srcset", "poster", "data", "action"}
LOADED_LINKS = {"stylesheet", "preconnect", "preload", "prefetch", "dns-prefetch", "modulepreload", "icon", "manifest"}
ELSEWHERE = re.compile(r"^\s*(https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, check=False, cwd=PROJECT, capture_output=True, text=True, env=quiet)
    assert built.returncode == 0, built.stderr
    return folder


class _Requests(HTMLParser):
    """What a browser loads by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.found += [value for name, value in given.items() if name in LOADING]
        if tag == "link" and LOADED_LINKS & set(given.get("rel", "").split()):
            self.found.append(given.get("href", ""))
        self.found += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style", ""))


def requests_of(page: str) -> list[str]:
    parser = _Requests()
    parser.feed(page)
    styles = "".join(re.findall(r"<style[^>]*>(.*?)</style>", page, re.DOTALL))
    return parser.found + requests_of_style(styles)


def requests_of_style(style: str) -> list[str]:
    return re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s;]+)", style)


@pytest.mark.slow
def test_no_page_asks_another_host(site: Path) -> None:
    pages = {file: requests_of(file.read_text()) for file in site.rglob("*.html")}
    styles = {file: requests_of_style(file.read_text()) for file in site.rglob("*.css")}
    assert len(pages) > 30
    assert all(pages.values())
    asked = {
        file.name: found
        for file, all_found in {**pages, **styles}.items()
        for found in all_found
        if ELSEWHERE.match(found)
    }
    assert not asked


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<img src="//cdn.example/x.png">',
        '<link rel="preconnect stylesheet" href="https://fonts.example">',
        '<p style="background: url(https://cdn.example/x.png)">',
        "<style>@import 'https://fonts.example/x.css';</style>",
    ],
)
def test_a_request_to_another_host_is_seen(page: str) -> None:
    assert any(map(ELSEWHERE.match, requests_of(page)))


def test_a_link_to_another_host_is_no_request() -> None:
    assert requests_of('<a href="https://arxiv.org/abs/2401.13719">the paper</a>') == []


@pytest.fixture
def small_site(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Start\n\n[there](other.md#other)\n")
    (tmp_path / "docs" / "other.md").write_text("# Other\n")
    ours = yaml.safe_load((PROJECT / "mkdocs.yml").read_text())
    (tmp_path / "mkdocs.yml").touch()
    return (
        tmp_path / "docs",
        {
            "config_file": str(tmp_path / "mkdocs.yml"),
            "site_name": "small",
            "strict": ours["strict"],
            "validation": ours["validation"],
            "nav": [{"Start": "index.md"}, {"Other": "other.md"}],
            "plugins": [],
        },
    )


def test_a_small_site_builds_by_our_rules(small_site: tuple[Path, dict[str, Any]]) -> None:
    build(load_config(**small_site[1]))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("other.md", "# Other\n\n[gone](missing.md)"),
        ("other.md", "# Other\n\n![gone](images/missing.png)"),
        ("other.md", "# Another heading"),
        ("other.md", "# Other\n\n[start](/index.md)"),
        ("forgotten.md", "# In no menu"),
    ],
)
def test_by_our_rules_a_build_fails(small_site: tuple[Path, dict[str, Any]], file: str, text: str) -> None:
    docs, settings = small_site
    (docs / file).write_text(text)
    with pytest.raises(Abort):
        build(load_config(**settings))


@pytest.mark.slow
def test_the_configuration_reference_has_every_key(site: Path) -> None:
    page = (site / "configuration.html").read_text()
    models = Parameters.model_json_schema()["$defs"].values()
    keys = {key for model in models for key in model.get("properties", {})}
    assert not {key for key in keys if f"<td><code>{key}</code></td>" not in page}
    row = next(row for row in page.split("<tr>") if "<td><code>warmup_share</code></td>" in row)
    assert "number ≥ 0, &lt; 1" in row
    assert "<code>0.2</code>" in row


@pytest.mark.slow
def test_the_catalog_says_who_writes_and_who_reads(site: Path) -> None:
    page = (site / "catalog.html").read_text()
    row = next(row for row in page.split("<tr>") if "<code>attack_models.json</code>" in row)
    cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in row.split("<td>")[1:]]
    assert cells[2] == "membership"
    assert cells[3].startswith("membership, reconstruction")


@pytest.mark.slow
def test_the_api_reference_has_what_docstrings_say(site: Path) -> None:
    page = (site / "api" / "signals.html").read_text()
    assert 'id="faceleak.signals.bn_distance.compute"' in page
    assert "smaller for members" in page
