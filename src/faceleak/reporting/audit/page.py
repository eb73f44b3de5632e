"""The report as one HTML page that needs no network, and as a section of a model card."""

import base64
import io
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from faceleak.reporting.audit.document import Audit
from faceleak.reporting.audit.files import ResultFiles
from faceleak.reporting.audit.parts import Answer, Cell, Code, Figure, Measured, Missing, PrivacyUtilityPlot, Table
from faceleak.reporting.formats import NOTHING, cell_text
from faceleak.reporting.templating import render

HEADING = 3  # the level of headings inside a section
QUALITY = 88
WIDEST = 1800  # pixels
IN_WORDS: dict[Code, str] = {
    "leaks": "Yes",
    "cannot conclude": "Cannot be said",
    "no evidence": "No evidence of it",
    "not tested": "Not tested",
}


def audit_page(audit: Audit, files: ResultFiles) -> str:
    """Make the page: figures are inlined from `files`, and so is plotly.js (4.6 MB) if a plot is shown."""
    return render(
        "audit.html.j2",
        FILTERS,
        audit=audit,
        picture=lambda figure: _picture(figure, files),
        plot=lambda block: _plot(block, files),
        markdown=_markdown,
        is_number=_is_number,
        styles=Markup(render("audit.css")),  # noqa: S704
    )


def model_card(audit: Audit) -> str:
    """Write what a release says about the audit: a section of a model card, in Markdown, without any person."""
    return render("model_card.md.j2", FILTERS, audit=audit, is_missing=lambda part: isinstance(part, Missing))


def _in_words(answer: Answer) -> str:
    """What a reader takes from the verdict."""
    return IN_WORDS[answer.verdict]


FILTERS: dict[str, Callable[..., Any]] = {"cell": cell_text, "in_words": _in_words}


def _picture(figure: Figure, files: ResultFiles) -> dict[str, Any]:
    """Source, width and height of an image; smaller than the file, as WebP."""
    from PIL import Image

    content = files.bytes(figure.file) or b""
    with Image.open(io.BytesIO(content)) as image:
        shown = image.convert("RGB")
    shown.thumbnail((WIDEST, 10 * WIDEST))
    buffer = io.BytesIO()
    shown.save(buffer, "WEBP", quality=QUALITY)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return {"source": f"data:image/webp;base64,{encoded}", "width": shown.width, "height": shown.height}


def _plot(block: PrivacyUtilityPlot, files: ResultFiles) -> Markup:
    from faceleak.reporting.privacy_utility import plot_section

    points = files.table(block.file)
    assert points is not None
    return plot_section(points.fillna({"bypass": ""}))


def _markdown(text: str) -> Markup:
    """Markdown as HTML, its headings below those of the page; HTML inside it is shown as text."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False})
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + HEADING - 1)}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704


def _is_number(table: Table, column: int) -> bool:
    """Whether a column holds numbers, which are aligned to the right."""
    cells: list[Cell] = [row[column] for row in table.rows if cell_text(row[column]) != NOTHING]
    return bool(cells) and all(_is_numeric(cell) for cell in cells)


def _is_numeric(cell: Cell) -> bool:
    return isinstance(cell, Measured | int | float) and not isinstance(cell, bool)
