"""The result files of an audit as a report finds them: some may be missing, and each is read once asked for."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from faceleak.reporting.checks import ReportingError

Tree = Mapping[str, Any]

REPORTS = "08_reporting"
SPLITS, TARGET_CARD, TARGET_WEIGHTS = (
    "03_primary/splits.parquet",
    "06_models/target/backbone.json",
    "06_models/target/backbone.safetensors",
)
MADE_BY = {
    "faces": ("faces_validation.json", "quarantine.csv", "people.png"),
    "target": ("inventory.json", "preprocessing_check.csv", "utility_metrics.json"),
    "membership": ("membership_metrics.json", "roc.png", "bn_distances.png", "roc_curves.csv", "subgroups.csv"),
    "reconstruction": ("reconstruction_metrics.json", "hits.csv", "gallery.png", "reconstruction_steps.png"),
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
    "gate": ("gate.json",),
}
METRICS = "_metrics.json"


class UsedFile(BaseModel):
    """A file that the report was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    sha256: str
    written: datetime


class ResultFiles:
    """The data folder of an audit. Whatever is read is remembered in `used`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: dict[str, UsedFile] = {}

    @property
    def used(self) -> list[UsedFile]:
        """The files that were read so far, by name."""
        return [self._used[name] for name in sorted(self._used)]

    def has(self, name: str) -> bool:
        """Whether a report has been made; `name` without folder."""
        return self._path(name).is_file()

    def bytes(self, name: str) -> bytes | None:
        """The content of a file, None where it is missing. Raises ReportingError where it cannot be read."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ReportingError(f"{path} cannot be read ({error.strerror}). Check the permissions.") from error
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
        digest = hashlib.sha256(content).hexdigest()
        self._used[name] = UsedFile(file=str(path.relative_to(self.folder)), sha256=digest, written=written)
        return content

    def text(self, name: str) -> str | None:
        """The same as text."""
        content = self.bytes(name)
        return None if content is None else content.decode(errors="replace")

    def tree(self, name: str) -> Any:
        """A JSON file, None where it is missing. Raises ReportingError where it is no JSON."""
        content = self.bytes(name)
        if content is None:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise ReportingError(f"{self._path(name)} is no JSON ({error}). {self._again(name)}") from error

    def table(self, name: str) -> pd.DataFrame | None:
        """A CSV or Parquet file, None where it is missing. Raises ReportingError where it is no table."""
        if self.bytes(name) is None:
            return None
        path = self._path(name)
        try:
            return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        except (ValueError, OSError) as error:
            raise ReportingError(f"{path} is no table ({error}). {self._again(name)}") from error

    def metrics(self) -> dict[str, Tree]:
        """Every tree of metrics: file → variant → stage → … → number."""
        names = sorted(path.name for path in (self.folder / REPORTS).glob(f"*{METRICS}"))
        return {name: self.tree(name) for name in names}

    @cached_property
    def pictures(self) -> list[str]:
        """Names of all figures."""
        return sorted(path.name for path in (self.folder / REPORTS).glob("*.png"))

    def _path(self, name: str) -> Path:
        return self.folder / name if "/" in name else self.folder / REPORTS / name

    def _again(self, name: str) -> str:
        maker = made_by(name)
        return f"Make it again: kedro run --pipelines={maker}." if maker else "Make it again."


def made_by(name: str) -> str | None:
    """The pipeline that makes a file; None where it is not known."""
    return next((pipeline for pipeline, names in MADE_BY.items() if name in names), None)
