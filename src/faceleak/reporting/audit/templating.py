"""The templates beside this file."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from faceleak.reporting.audit.formats import cell_text
from faceleak.reporting.audit.questions import verdict_in_words


def render(template: str, **values: Any) -> str:
    """Fill a template; in HTML everything is escaped that is not marked as safe."""
    environment = Environment(
        loader=PackageLoader("faceleak.reporting.audit"),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell_text, "in_words": verdict_in_words}
    return environment.get_template(template).render(**values)
