"""Several targets: attacks side by side, and the risk of each person."""

from faceleak.membership.access import MEMBERSHIP, UPPER_BOUND
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.figures import figure
from faceleak.reporting.audit.formats import PER_CENT
from faceleak.reporting.audit.metric_tables import measured, tables_by
from faceleak.reporting.audit.parts import Block, Section, Table
from faceleak.reporting.audit.people import people_at_risk
from faceleak.reporting.audit.sections.membership import upper_bounds
from faceleak.reporting.audit.strongest import strongest
from faceleak.reporting.privacy_points import records
from faceleak.reporting.risk import SIGNIFICANT
from faceleak.reporting.style import words
from faceleak.reporting.verdict import interval_text
from faceleak.words import counted

REPEATED = "undefended_repeated"
SHOWN = 25
POPULATION_LEVEL = 1


def section(evidence: Evidence) -> Section:
    """Means over targets, people at risk, and whether the risks can be believed."""
    return Section(id="several-targets", title="Several targets, and the worst case", blocks=tuple(_blocks(evidence)))


def _blocks(evidence: Evidence) -> list[Block]:
    compared = evidence.stage("comparison_metrics.json", MEMBERSHIP, REPEATED)
    bounds = evidence.stage("comparison_metrics.json", UPPER_BOUND, REPEATED)
    if not compared:
        return [evidence.missing("Several targets, and the risk of each person", "comparison_metrics.json")]
    best = strongest(compared, "unseen_identity")
    told = f" The strongest is {best[0]}, AUC {interval_text(best[1], 'auc')}." if best else ""
    return [
        *tables_by(compared, POPULATION_LEVEL, "attack", "Mean over targets, members against: {}"),
        *upper_bounds(bounds, "Upper bound, with the classification head in hand, mean over targets: {}"),
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
    risks = people_at_risk(evidence)
    if risks is None:
        return ""
    significant = int((risks["q_value"] <= SIGNIFICANT).sum())
    return f"{significant:,} of {counted(len(risks), 'person stands', 'people stand')} out significantly."


def _people_at_risk(evidence: Evidence) -> Block:
    risks = people_at_risk(evidence)
    if risks is None:
        return evidence.missing("The risk of each person", "identity_risks.csv")
    shown = risks.head(SHOWN)
    if not evidence.configuration.report.show_people:
        shown = shown.drop(columns="identity")
    columns = ["rank", *(column for column in shown.columns if column != "rank")]
    return Table(
        caption=f"The {counted(len(shown), 'person', 'people')} at highest risk, of {len(risks):,}",
        columns=tuple(map(words, columns)),
        rows=tuple(shown[columns].astype(object).itertuples(index=False, name=None)),
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
