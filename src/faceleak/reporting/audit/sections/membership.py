"""Membership inference on the target: every attack against every population, with intervals."""

from faceleak.metrics.membership import LOWEST_TPR
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.figures import figure
from faceleak.reporting.audit.files import Tree
from faceleak.reporting.audit.metric_tables import none_accused, tables_by
from faceleak.reporting.audit.parts import Block, Paragraph, Section, Table
from faceleak.reporting.audit.strongest import strongest, why_blind_matters
from faceleak.reporting.style import words
from faceleak.reporting.verdict import UPPER_BOUND_NOTE, interval_text, read_membership

TPR = "tpr_at_fpr_1pct"
LEVEL = 1  # of the populations in the tree of metrics


def section(evidence: Evidence) -> Section:
    """What the attacks say, all numbers, and figures."""
    return Section(id="membership", title="Membership inference", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    if not evidence.membership:
        return [evidence.missing("Membership inference on the target", "membership_metrics.json")]
    return [
        Paragraph(text=why_blind_matters(evidence)),
        _readings(evidence),
        *tables_by(evidence.membership, LEVEL, "attack", "Members against: {}"),
        *upper_bounds(evidence.upper_bound, "Upper bound, with the classification head in hand, members against: {}"),
        figure(evidence, "roc.png", "ROC curves", _roc_words(evidence)),
        figure(evidence, "bn_distances.png", "BN distances of members and non-members", _distance_words(evidence)),
        *_subgroups(evidence),
    ]


def upper_bounds(attacks: Tree, caption: str) -> list[Block]:
    """What attacks that take the classification head found, apart from the others."""
    if not attacks:
        return []
    return [*tables_by(attacks, LEVEL, "attack", caption, folded=True), Paragraph(text=UPPER_BOUND_NOTE)]


def _populations(evidence: Evidence) -> list[str]:
    return list(dict.fromkeys(population for found in evidence.membership.values() for population in found))


def _readings(evidence: Evidence) -> Table:
    rows = []
    for population in _populations(evidence):
        verdict, reason = read_membership(evidence.membership, population, utility=evidence.utility)
        rows.append((words(population), verdict, f"{reason}."))
    return Table(
        caption="What the numbers mean, by the population that members are compared with",
        columns=("population", "verdict", "reason"),
        rows=tuple(rows),
    )


def _roc_words(evidence: Evidence) -> str:
    sentences = ["Share of members found against share of non-members accused, for every attack, on logarithmic axes."]
    for population in ("same_identity", "unseen_identity"):
        if best := strongest(evidence.membership, population):
            name, numbers = best
            if numbers.get(TPR) is None:
                found = f"{interval_text(numbers, LOWEST_TPR)} of members {none_accused(numbers)}"
            else:
                found = f"{interval_text(numbers, TPR)} of members at 1 % false positives"
            sentences.append(
                f"Against {words(population)} the strongest is {name}: AUC {interval_text(numbers, 'auc')}, {found}."
            )
    return " ".join(sentences)


def _distance_words(evidence: Evidence) -> str:
    paper = evidence.configuration.membership.papers_attack()
    numbers = evidence.membership.get(f"{paper}_partial_knowledge", {}).get("unseen_identity")
    told = f" An attack on them alone has AUC {interval_text(numbers, 'auc')}." if numbers else ""
    return f"How far images lie from the statistics of the batch-normalisation layers, by role.{told}"


def _subgroups(evidence: Evidence) -> list[Block]:
    groups = evidence.files.table("subgroups.csv")
    if groups is None:
        return [evidence.missing("Subgroups of people", "subgroups.csv")]
    if groups.empty:
        return [Paragraph(text="No attributes of people were given, so nothing is known about subgroups.")]
    rows = groups.astype(object).where(groups.notna(), None)
    return [
        Table(
            caption="Subgroups of people",
            columns=tuple(map(words, groups.columns)),
            rows=tuple(rows.itertuples(index=False, name=None)),
        )
    ]
