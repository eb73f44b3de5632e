"""The result files of an audit: some may be missing, and each is read when it is first needed."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from faceleak.common.errors import kedro_run
from faceleak.common.text_tables import read_results
from faceleak.reporting.checks import ReportingError
from faceleak.work.tasks import write_json

Tree = Mapping[str, Any]

REPORTS = "08_reporting"
SPLITS, TARGET_CARD, TARGET_WEIGHTS = (
    "03_primary/splits.parquet",
    "06_models/target/backbone.json",
    "06_models/target/backbone.safetensors",
)
MADE_BY = {
    "faces": ("faces_validation.json", "copies.csv", "quarantine.csv", "people.png"),
    "target": ("inventory.json", "preprocessing_check.csv", "utility_metrics.json"),
    "membership": ("membership_metrics.json", "roc.png", "bn_distances.png", "roc_curves.csv", "subgroups.csv"),
    "reconstruction": (
        "reconstruction_metrics.json",
        "hits.csv",
        "gallery.png",
        "untrained_gallery.png",
        "reconstruction_steps.png",
        "film_strips.png",
        "embedding_map.png",
    ),
    "repeats": (
        "comparison_metrics.json",
        "comparison.png",
        "image_risks.csv",
        "identity_risks.csv",
        "risk_calibration.csv",
        "risks.png",
        "risk_calibration.png",
    ),
    "defense": (
        "defense_utility_metrics.json",
        "defense_membership_metrics.json",
        "defense_reconstruction_metrics.json",
        "defense_strongest_metrics.json",
        "privacy_utility.csv",
        "privacy_utility.png",
        "privacy_claims.csv",
        "recommendation.md",
    ),
    "erasure": (
        "erasure_metrics.json",
        "erasure_verdicts.csv",
        "erasure_cost.csv",
        "erasure.csv",
        "erasure.png",
    ),
    "tuning": (
        "tuning_metrics.json",
        "tuning.png",
        "tuning_study.png",
        "tuning_reconstruction_metrics.json",
        "tuning_front.png",
        "tuning_reconstruction.png",
    ),
    "gate": ("gate.json",),
}
METRICS, MADE_WITH = "_metrics.json", "made_with.json"


class UsedFile(BaseModel):
    """A file that the report was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    sha256: str
    written: datetime


class MadeWith(BaseModel):
    """What a result was made with: the command, and the blocks of the configuration that its nodes took."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str  # of the result
    command: str
    parameters: dict[str, Any]


class ResultFiles:
    """The data folder of an audit. Whatever is read is remembered in `used`; tables and trees are read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: dict[str, UsedFile] = {}
        self._parsed: dict[str, Any] = {}

    @property
    def used(self) -> list[UsedFile]:
        """The files that were read so far, by name."""
        return [self._used[name] for name in sorted(self._used)]

    def has(self, name: str) -> bool:
        """Whether a file is there; names without a folder are those of reports."""
        return self._path(name).is_file()

    def use(self, name: str) -> UsedFile | None:
        """Remember a file without reading it as anything; None if it is missing. Raises ReportingError."""
        path = self._path(name)
        if not path.is_file():
            return None
        file = str(path.relative_to(self.folder))
        if file not in self._used:
            try:
                with path.open("rb") as content:
                    digest = hashlib.file_digest(content, "sha256").hexdigest()
            except OSError as error:
                raise ReportingError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
            self._used[file] = UsedFile(file=file, sha256=digest, written=written)
        return self._used[file]

    def bytes(self, name: str) -> bytes | None:
        """The content of a file, None if it is missing. Raises ReportingError if it cannot be read."""
        return None if self.use(name) is None else self._path(name).read_bytes()

    def text(self, name: str) -> str | None:
        """The same as text."""
        content = self.bytes(name)
        return None if content is None else content.decode(errors="replace")

    def tree(self, name: str) -> Any:
        """A JSON file, None if it is missing. Raises ReportingError if it is no JSON."""
        return self._parse(name, lambda path: json.loads(path.read_bytes()), "is no JSON")

    def table(self, name: str) -> pd.DataFrame | None:
        """A CSV or Parquet file, None if it is missing. Raises ReportingError if it is no table."""
        read = pd.read_parquet if name.endswith(".parquet") else read_results
        found: pd.DataFrame | None = self._parse(name, read, "is no table")
        return found

    def _parse(self, name: str, read: Callable[[Path], Any], otherwise: str) -> Any:
        if self.use(name) is None:
            return None
        if name not in self._parsed:
            try:
                self._parsed[name] = read(self._path(name))
            except (ValueError, OSError) as error:
                maker = made_by(name)
                again = f"Make it again: {kedro_run(maker)}." if maker else "Make it again."
                raise ReportingError(f"{self._path(name)} {otherwise} ({error}). {again}") from error
        return self._parsed[name]

    def metrics(self) -> dict[str, Tree]:
        """Every tree of metrics: file → variant → stage → … → number."""
        names = sorted(path.name for path in (self.folder / REPORTS).glob(f"*{METRICS}"))
        return {name: self.tree(name) for name in names}

    def made_with(self, name: str) -> MadeWith | None:
        """What a result was made with; None if it is missing, or not the one of which that was written down."""
        used = self.use(name)
        recorded = None if used is None else (self.tree(MADE_WITH) or {}).get(used.file)
        if used is None or recorded is None or recorded["sha256"] != used.sha256:
            return None
        return MadeWith.model_validate(recorded)

    def write_down(self, name: str, command: str, parameters: Mapping[str, Any]) -> None:
        """Record what a result was made with, in `made_with.json` of its folder."""
        used = self.use(name)
        assert used is not None
        made_with = MadeWith(sha256=used.sha256, command=command, parameters=dict(parameters))
        recorded = {**(self.tree(MADE_WITH) or {}), used.file: made_with.model_dump(mode="json")}
        write_json(self._path(MADE_WITH), dict(sorted(recorded.items())))

    @cached_property
    def pictures(self) -> list[str]:
        """Names of all figures."""
        return sorted(path.name for path in (self.folder / REPORTS).glob("*.png"))

    def _path(self, name: str) -> Path:
        return self.folder / name if "/" in name else self.folder / REPORTS / name


def result_at(path: str) -> str | None:
    """The name under which a dataset at this path of the data folder is a result that the report judges by."""
    if path == TARGET_CARD.rpartition("/")[0]:
        return TARGET_CARD
    return path if path == SPLITS or (path.startswith(f"{REPORTS}/") and path.endswith(METRICS)) else None


def made_by(name: str) -> str | None:
    """The pipeline that makes a file; None if it is not known."""
    return next((pipeline for pipeline, names in MADE_BY.items() if name in names), None)
