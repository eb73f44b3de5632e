"""Figures among the result files, with words for those who do not see them."""

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import MADE_BY
from faceleak.reporting.audit.parts import Block, Figure, Paragraph
from faceleak.reporting.style import words

WITHOUT_FACES = (
    "bn_distances.png",
    "comparison.png",
    "privacy_utility.png",
    "risk_calibration.png",
    "roc.png",
    "sweep.png",
    "tuning.png",
    "tuning_front.png",
    "tuning_reconstruction.png",
    "tuning_study.png",
)
NAMED = frozenset(name for names in MADE_BY.values() for name in names if name.endswith(".png"))


def figure(evidence: Evidence, file: str, title: str, alt: str) -> Block:
    """The figure, or what to do where it is missing, or that it is left out since it may show people."""
    if evidence.files.use(file) is None:
        return evidence.missing(title, file)
    if file not in WITHOUT_FACES and not evidence.configuration.report.show_people:
        return Paragraph(text=f"{title}: left out, as report.show_people is false.")
    return Figure(file=file, title=title, alt=alt)


def further_figures(evidence: Evidence) -> list[Block]:
    """Figures that no section names."""
    return [
        figure(
            evidence,
            file,
            words(file.removesuffix(".png")).capitalize(),
            f"The figure {file} among the results; what it shows is also told by the tables of this report.",
        )
        for file in evidence.files.pictures
        if file not in NAMED
    ]
