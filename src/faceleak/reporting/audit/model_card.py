"""What a release says about the audit: a section of a model card, in Markdown, without any person."""

from faceleak.reporting.audit.document import Audit
from faceleak.reporting.audit.parts import Missing
from faceleak.reporting.audit.templating import render


def model_card(audit: Audit) -> str:
    """Write the section."""
    return render("model_card.md.j2", audit=audit, is_missing=lambda part: isinstance(part, Missing))
