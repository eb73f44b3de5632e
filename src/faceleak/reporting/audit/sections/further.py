"""Results that no other section names: they appear as they are."""

from collections.abc import Mapping

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.figures import further_figures
from faceleak.reporting.audit.files import MADE_BY, Tree
from faceleak.reporting.audit.metric_tables import tables_by
from faceleak.reporting.audit.parts import Block, Section
from faceleak.reporting.style import words

SHOWN = frozenset(name for names in MADE_BY.values() for name in names)


def section(evidence: Evidence) -> Section:
    """Figures, and tables of metrics, that are new to this report."""
    blocks: list[Block] = [*further_figures(evidence)]
    for file, tree in evidence.files.metrics().items():
        if file not in SHOWN:
            title = words(file.removesuffix(".json")).capitalize()
            blocks += tables_by(_by_name(tree, title), 0, "metrics of", f"{title}: {{}}", folded=True)
    return Section(id="further", title="Further results", blocks=tuple(blocks))


def _by_name(tree: Tree, title: str) -> Tree:
    """Numbers that are of no variant, under the title of their file."""
    return tree if any(isinstance(branch, Mapping) for branch in tree.values()) else {title: tree}
