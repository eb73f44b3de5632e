"""Membership inference, on the target and on several targets, and the risk of each person."""

from faceleak.common.words import counted
from faceleak.membership.options import ModelKey
from faceleak.membership.views import MEMBERSHIP, UPPER_BOUND
from faceleak.metrics.membership import LOWEST_TPR, POPULATIONS
from faceleak.reporting.audit.blocks import figure, frame_table, tables_by
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.parts import Block, Paragraph, Section, Table
from faceleak.reporting.formats import PER_CENT, TPR, interval_text, measured, none_accused
from faceleak.reporting.privacy_points import records
from faceleak.reporting.results import Membership
from faceleak.reporting.risk import SIGNIFICANT
from faceleak.reporting.style import words
from faceleak.reporting.verdict import UPPER_BOUND_NOTE

LEVEL = 1  # of the populations in the tree of metrics
REPEATED = "undefended_repeated"
SHOWN = 25


def section(evidence: Evidence) -> Section:
    """What the attacks say, all numbers, and figures."""
    return Section(id="membership", title="Membership inference", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    if not evidence.target.membership.tree:
        return [evidence.missing("Membership inference on the target", "membership_metrics.json")]
    return [
        Paragraph(text=_why_blind_matters(evidence)),
        _readings(evidence),
        *tables_by(evidence.target.membership.tree, LEVEL, "attack", "Members against: {}"),
        *_upper_bounds(
            evidence.target.upper_bound, "Upper bound, with the classification head in hand, members against: {}"
        ),
        figure(evidence, "roc.png", "ROC curves", _roc_words(evidence)),
        figure(evidence, "bn_distances.png", "BN distances of members and non-members", _distance_words(evidence)),
        *_subgroups(evidence),
    ]


def _upper_bounds(attacks: Membership, caption: str) -> list[Block]:
    """What attacks that take the classification head found, apart from the others."""
    if not attacks.tree:
        return []
    return [*tables_by(attacks.tree, LEVEL, "attack", caption, folded=True), Paragraph(text=UPPER_BOUND_NOTE)]


def _why_blind_matters(evidence: Evidence) -> str:
    """What the baseline that never sees the target can tell."""
    blind = evidence.target.membership.blind
    if not blind:
        return "No blind baseline was measured, so nobody knows what the data alone gives away."
    aucs = [f"{interval_text(numbers, 'auc')} ({population})" for population, numbers in blind.items()]
    return (
        "The blind baseline never sees the target: what it can tell comes from the data, and only what an attack "
        f"finds beyond it is the target's. Its AUC: {', '.join(aucs)}."
    )


def _readings(evidence: Evidence) -> Table:
    membership = evidence.target.membership
    readings = {population: membership.reading(population) for population in membership.populations}
    return Table(
        caption="What the numbers mean, by the population that members are compared with",
        columns=("population", "verdict", "reason"),
        rows=tuple((words(name), verdict, f"{reason}.") for name, (verdict, reason) in readings.items()),
    )


def _roc_words(evidence: Evidence) -> str:
    sentences = ["Share of members found against share of non-members accused, for every attack, on logarithmic axes."]
    for population in POPULATIONS:
        if best := evidence.target.membership.strongest(population):
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
    known = ModelKey(paper or "", "partial_knowledge").name
    numbers = evidence.target.membership.tree.get(known, {}).get("unseen_identity")
    told = f" An attack on them alone has AUC {interval_text(numbers, 'auc')}." if numbers else ""
    return f"How far images lie from the statistics of the batch-normalization layers, by role.{told}"


def _subgroups(evidence: Evidence) -> list[Block]:
    groups = evidence.files.table("subgroups.csv")
    if groups is None:
        return [evidence.missing("Subgroups of people", "subgroups.csv")]
    if groups.empty:
        return [Paragraph(text="No attributes of people were given, so nothing is known about subgroups.")]
    return [frame_table(groups, "Subgroups of people", map(words, groups.columns))]


def several_targets(evidence: Evidence) -> Section:
    """Means over targets, people at risk, and whether the risks can be believed."""
    return Section(id="several-targets", title="Several targets, and the worst case", blocks=tuple(_repeated(evidence)))


def _repeated(evidence: Evidence) -> list[Block]:
    compared, bounds = (
        Membership(evidence.stage("comparison_metrics.json", stage, REPEATED)) for stage in (MEMBERSHIP, UPPER_BOUND)
    )
    if not compared.tree:
        return [evidence.missing("Several targets, and the risk of each person", "comparison_metrics.json")]
    best = compared.strongest("unseen_identity")
    told = f" The strongest is {best.attack}, AUC {interval_text(best.metrics, 'auc')}." if best else ""
    return [
        *tables_by(compared.tree, LEVEL, "attack", "Mean over targets, members against: {}"),
        *_upper_bounds(bounds, "Upper bound, with the classification head in hand, mean over targets: {}"),
        figure(evidence, "comparison.png", "Attacks side by side", f"AUC and TPR of every attack over targets.{told}"),
        _people_at_risk(evidence),
        _calibration(evidence),
        figure(
            evidence, "risks.png", "The images at highest risk", f"The most exposed images. {_risk_words(evidence)}"
        ),
        figure(
            evidence,
            "risk_calibration.png",
            "Can the risks be believed?",
            "Share of records up to a p-value: for non-members it lies on the diagonal where risks are calibrated.",
        ),
    ]


def _risk_words(evidence: Evidence) -> str:
    risks = evidence.risks
    if risks is None:
        return ""
    significant = int((risks["q_value"] <= SIGNIFICANT).sum())
    return f"{significant:,} of {counted(len(risks), 'person stands', 'people stand')} out significantly."


def _people_at_risk(evidence: Evidence) -> Block:
    risks = evidence.risks
    if risks is None:
        return evidence.missing("The risk of each person", "identity_risks.csv")
    shown = risks.head(SHOWN)
    if not evidence.configuration.report.show_people:
        shown = shown.drop(columns="identity")
    columns = ["rank", *(column for column in shown.columns if column != "rank")]
    return frame_table(
        shown[columns],
        f"The {counted(len(shown), 'person', 'people')} at highest risk, of {len(risks):,}",
        map(words, columns),
        note="p value: how often evidence as strong occurs for this person where no target saw them. Among people with "
        f"q value up to {SIGNIFICANT}, {100 * SIGNIFICANT:g}{PER_CENT} are expected to be there by chance. All are in "
        "identity_risks.csv.",
        folded=True,
    )


def _calibration(evidence: Evidence) -> Block:
    table = evidence.files.table("risk_calibration.csv")
    if table is None:
        return evidence.missing("Whether the risks can be believed", "risk_calibration.csv")
    return Table(
        caption="How often non-members get a p value as low as that: by calibrated risks, not more often than the rate",
        columns=("rate", "non-members", "share with a p value up to it", "clearly more"),
        rows=tuple(
            (float(row["rate"]), int(row["rows"]), measured(row, "share"), bool(row["exceeded"]))
            for row in records(table)
        ),
    )
