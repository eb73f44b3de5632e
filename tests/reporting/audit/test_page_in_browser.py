"""The page in a real browser: it makes no request, and prints."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from faceleak.reporting.audit.document import Audit
from faceleak.reporting.audit.files import ResultFiles
from faceleak.reporting.audit.page import audit_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND"),
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


def requests(folder: Path, page: str, *arguments: str) -> list[str]:
    """What the page asked of the network; what Chromium asks for itself has no origin."""
    assert CHROMIUM
    (folder / "page.html").write_text(page)
    log = folder / "net.json"
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", *arguments]
    subprocess.run([*command, f"file://{folder / 'page.html'}"], check=True, capture_output=True, timeout=180)
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    asked = [event for event in events if event.get("initiator", "not an origin") != "not an origin"]
    return [event["url"] for event in asked if event.get("url", "").startswith(("http", "ws"))]


def test_requests_of_a_page_are_seen(tmp_path: Path) -> None:
    page = '<img src="http://control.invalid/picture.png">'
    assert requests(tmp_path, page, "--dump-dom") == ["http://control.invalid/picture.png"]


def test_the_report_asks_no_network_and_prints(tmp_path: Path, report: Audit, complete: Path) -> None:
    printed = tmp_path / "audit.pdf"
    assert requests(tmp_path, audit_page(report, ResultFiles(complete)), f"--print-to-pdf={printed}") == []
    assert printed.read_bytes().startswith(b"%PDF")
