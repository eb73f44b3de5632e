"""What an audit from Python returns: the verdict, and everything that it follows from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.views import MEMBERSHIP, UPPER_BOUND
from faceleak.metrics.identity_level import SETTINGS
from faceleak.metrics.membership import POPULATIONS
from faceleak.reporting.audit.evidence import FROM_PYTHON, Configuration
from faceleak.reporting.audit.files import REPORTS, SPLITS, TARGET_CARD, ResultFiles
from faceleak.reporting.audit.parts import heaviest
from faceleak.reporting.formats import HEADINGS, TPR, interval_text, number_text
from faceleak.reporting.results import UTILITY, Variant, read_variant
from faceleak.reporting.verdict import Reading
from faceleak.work.tasks import write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faceleak.reporting.audit.document import Audit as Report

SHOWN = ("auc", TPR, "advantage_over_blind")
BY_CONCERN = (*reversed(POPULATIONS), *SETTINGS)  # of several populations with the same verdict, whose reason is told


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """The result of `faceleak.audit`.

    metrics: variant → stage → attack → population → metric, as `results.json` of a run holds them. scores: one row an
    image and attack, with image_id, identity, population, is_member and score, which is higher for members;
    blind_scores: the same of the blind baseline. signals: what was read off the backbone, one row an image. splits: the
    role of each image. left_out: attacks that cannot be made on this backbone, and why. configuration: all settings.
    """

    metrics: Mapping[str, Any]
    scores: pd.DataFrame
    blind_scores: pd.DataFrame
    signals: pd.DataFrame
    splits: pd.DataFrame
    left_out: tuple[str, ...]
    configuration: Configuration
    card: Mapping[str, Any]
    people: "Figure"
    trees: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def _variant(self) -> Variant:
        return read_variant(UNDEFENDED, self.metrics[UNDEFENDED])

    @cached_property
    def verdicts(self) -> dict[str, Reading]:
        """For each population of non-members `code` and `reason` of what the attacks show.

        `unseen_identity`: images of other people; `same_identity`: other images of members; `identity`: whole people.
        """
        measured = self._variant.membership
        return {population: measured.reading(population) for population in measured.populations}

    @property
    def verdict(self) -> Reading:
        """`code`, which is `leaks`, `cannot conclude` or `no evidence`, and `reason`: the gravest of all `verdicts`."""
        found = self.verdicts
        code = heaviest([reading.code for reading in found.values()])
        return next(found[name] for name in BY_CONCERN if name in found and found[name].code == code)

    @cached_property
    def attacks(self) -> pd.DataFrame:
        """One row an attack and population: stage, attack, population and all metrics with the ends of their intervals.

        The stage is `membership`, or `upper_bound` for attacks that take the classification head.
        """
        return pd.DataFrame(
            {"stage": stage, "attack": attack, "population": population, **numbers}
            for stage in (MEMBERSHIP, UPPER_BOUND)
            for attack, populations in self.metrics[UNDEFENDED].get(stage, {}).items()
            for population, numbers in populations.items()
        )

    @property
    def utility(self) -> dict[str, Any]:
        """How well the backbone recognizes `others`: `verification_auc` with its interval, and more."""
        return dict(self.metrics[UNDEFENDED][UTILITY])

    @property
    def settings(self) -> dict[str, Any]:
        """All settings that numbers depend on, as plain data: blocks as in `conf/`."""
        blocks = ("faces", "target", "membership", "bootstrap")
        return {name: getattr(self.configuration, name).model_dump(mode="json") for name in blocks}

    def roc(self) -> "Figure":
        """ROC curves of all attacks on logarithmic axes."""
        from faceleak.auditing.membership import draw_roc

        return draw_roc(self.scores, self.blind_scores, self.configuration.membership)

    def figures(self) -> "dict[str, Figure]":
        """All figures: `roc`, `bn_distances` by layer, and `people`, a sample of the faces of each role."""
        from faceleak.auditing.membership import draw_histograms

        return {"roc": self.roc(), "bn_distances": draw_histograms(self.signals, self.splits), "people": self.people}

    def summary(self) -> str:
        """The tables and verdicts that the terminal shows after a run, as text."""
        from faceleak.reporting.terminal import as_text, headline_tables, roles_table

        return as_text([roles_table(self.splits), *headline_tables([self._variant])])

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one page that needs no network, and return its path. It shows faces of all roles."""
        from faceleak.reporting.audit.page import audit_page
        from faceleak.work.tasks import writing

        path = Path(path)
        with TemporaryDirectory(prefix="faceleak-") as folder:
            files = self._written(Path(folder))
            page = audit_page(self._report(files), files)
        with writing(path) as partial:
            partial.write_text(page)
        return path

    def _report(self, files: ResultFiles) -> "Report":
        from faceleak.reporting.audit.document import make_audit
        from faceleak.reporting.audit.evidence import Evidence, Origin, software

        origin = Origin(
            commit="", uncommitted_changes=False, environment="base", command=FROM_PYTHON, software=software()
        )
        return make_audit(Evidence(files, self.configuration, origin))

    def _written(self, folder: Path) -> ResultFiles:
        """The files of which the report is made, as a run leaves them."""
        reports = folder / REPORTS
        for path in (folder / SPLITS, folder / TARGET_CARD, reports / "made_with.json"):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.splits.to_parquet(folder / SPLITS)
        stages = self.metrics[UNDEFENDED]
        attacked = {stage: stages[stage] for stage in (MEMBERSHIP, UPPER_BOUND) if stage in stages}
        trees = {
            **self.trees,
            "utility_metrics": {UNDEFENDED: {UTILITY: stages[UTILITY]}},
            "membership_metrics": {UNDEFENDED: attacked},
        }
        write_json(folder / TARGET_CARD, self.card)
        for name, tree in trees.items():
            write_json(reports / f"{name}.json", tree)
        for name, table in self.tables.items():
            table.to_csv(reports / f"{name}.csv", index=False)
        for name, figure in self.figures().items():
            figure.savefig(reports / f"{name}.png")
        for result in (SPLITS, TARGET_CARD, "utility_metrics.json", "membership_metrics.json"):
            ResultFiles(folder).write_down(
                result, FROM_PYTHON, {}
            )  # by the configuration that the page is given beside
        return ResultFiles(folder)

    def __repr__(self) -> str:
        return f"<faceleak.Audit: {self.verdict}>"

    def _repr_html_(self) -> str:
        """The verdict and a short table, for notebooks."""
        rows = self.attacks[self.attacks["population"].isin(POPULATIONS)]
        shown = pd.DataFrame(
            {
                "members against": rows["population"],
                "attack": rows["attack"],
                **{HEADINGS[metric]: [_cell(row, metric) for row in rows.to_dict("records")] for metric in SHOWN},
            }
        )
        return f"<p><b>{escape(self.verdict.code)}</b>: {escape(self.verdict.reason)}.</p>{shown.to_html(index=False)}"


def _cell(row: Mapping[Any, Any], metric: str) -> str:
    return (interval_text if metric == "auc" else number_text)(row, metric)
