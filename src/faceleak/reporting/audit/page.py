"""The report as one HTML page that needs no network."""

import base64
import io
from typing import Any

from markupsafe import Markup

from faceleak.reporting.audit.document import Audit
from faceleak.reporting.audit.files import ResultFiles
from faceleak.reporting.audit.formats import cell_text
from faceleak.reporting.audit.parts import Cell, Figure, Measured, PrivacyUtilityPlot, Table
from faceleak.reporting.audit.templating import render

HEADING = 3  # the level of headings inside a section
QUALITY = 88
WIDEST = 1800  # pixels


def audit_page(audit: Audit, files: ResultFiles) -> str:
    """Make the page: figures are inlined from `files`, and so is plotly.js (4.6 MB) where a plot is shown."""
    return render(
        "audit.html.j2",
        audit=audit,
        picture=lambda figure: _picture(figure, files),
        plot=lambda block: _plot(block, files),
        markdown=_markdown,
        is_number=_is_number,
        styles=Markup(render("audit.css")),  # noqa: S704
    )


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
    from faceleak.reporting.privacy_utility_page import plot_section

    points = files.table(block.file)
    assert points is not None
    return Markup(plot_section(points.fillna({"undoing": ""})))  # noqa: S704


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
    """Whether a column holds numbers, which stand to the right."""
    cells: list[Cell] = [row[column] for row in table.rows if cell_text(row[column]) != "–"]
    return bool(cells) and all(_is_numeric(cell) for cell in cells)


def _is_numeric(cell: Cell) -> bool:
    return isinstance(cell, Measured | int | float) and not isinstance(cell, bool)
