"""The target: what network it is, what it can do, and what about it may disturb an audit."""

from collections.abc import Mapping
from typing import Any

from faceleak.membership.attackers import UNDEFENDED
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import TARGET_CARD, TARGET_WEIGHTS
from faceleak.reporting.audit.metric_tables import metric_table
from faceleak.reporting.audit.parts import Block, Cell, Paragraph, Section, Table
from faceleak.reporting.inventory import inventory_table, summary_table
from faceleak.trees import flatten
from faceleak.words import counted


def section(evidence: Evidence) -> Section:
    """Card, inventory, utility and preprocessing check."""
    blocks = [*_inventory(evidence), _card(evidence), _utility(evidence), *_preprocessing(evidence)]
    return Section(id="target", title="The target", blocks=tuple(blocks))


def _card(evidence: Evidence) -> Block:
    card = evidence.files.tree(TARGET_CARD)
    if card is None:
        return evidence.missing("The card of the target", "inventory.json")
    rows: list[tuple[Cell, ...]] = [(name, _words(value)) for name, value in flatten(card, ".").items()]
    weights = evidence.files.use(TARGET_WEIGHTS)
    return Table(
        caption="The card of the target: architecture, preprocessing and training",
        columns=("property", "value"),
        rows=(
            ("source", evidence.configuration.target.source),
            ("sha256 of the weights", weights.sha256 if weights else None),
            *rows,
        ),
        folded=True,
    )


def _words(value: Any) -> Cell:
    if isinstance(value, list | Mapping):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else value if isinstance(value, bool | int) else str(value)


def _inventory(evidence: Evidence) -> list[Block]:
    inventory = evidence.files.tree("inventory.json")
    if inventory is None:
        return [evidence.missing("The inventory of the target's layers", "inventory.json")]
    summary, layers = summary_table(inventory), inventory_table(inventory)
    return [
        *(Paragraph(text=warning, warning=True) for warning in inventory["warnings"]),
        Table(
            caption="What the network consists of",
            columns=tuple(summary.columns),
            rows=tuple(summary.itertuples(index=False, name=None)),
        ),
        Table(
            caption=f"Its {counted(len(layers), 'batch-normalisation layer')}",
            columns=tuple(layers.columns),
            rows=tuple(layers.itertuples(index=False, name=None)),
            folded=True,
        ),
    ]


def _utility(evidence: Evidence) -> Block:
    if not evidence.utility:
        return evidence.missing("The target's accuracy", "utility_metrics.json")
    return metric_table({UNDEFENDED: evidence.utility}, "variant", "Recognition of people whom the target never saw")


def _preprocessing(evidence: Evidence) -> list[Block]:
    check = evidence.files.table("preprocessing_check.csv")
    if check is None:
        return [evidence.missing("The check of how faces are prepared", "preprocessing_check.csv")]
    if check.empty:
        return [Paragraph(text="The target was trained by this audit, so it is fed as it was trained.")]
    return [
        Table(
            caption="Is the target fed as it was trained? Verification AUC with other ways to prepare faces",
            columns=tuple(check.columns),
            rows=tuple(check.astype(object).where(check.notna(), None).itertuples(index=False, name=None)),
        )
    ]
