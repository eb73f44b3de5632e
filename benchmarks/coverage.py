"""How often do intervals hold the truth, and how wide are they? Simulated attacks whose true rates are known.

python -m benchmarks.coverage [data sets]

Scores are Gaussian, one variance for images and another one for people; members are shifted.
"""

import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from faceleak.metrics.membership import LOWEST_TPR, Numbers, measure_membership
from faceleak.metrics.options import BootstrapOptions
from faceleak.work.progress import track

DATA_SETS = 200
AT_LEAST = 0.93


class Setting(NamedTuple):
    """People a class, images of each, the standard deviation between people, and the shift of members.

    An image's own deviation is 1. `other` is the shift of a second attack, whose scores correlate with 0.5.
    """

    metric: str
    people: int
    images: int
    effect: float
    shift: float
    other: float = 0.0

    @property
    def spread(self) -> float:
        return float(np.hypot(1, self.effect))

    def auc(self, shift: float) -> float:
        return float(norm.cdf(shift / self.spread / np.sqrt(2)))

    def truth(self, scores: pd.DataFrame) -> float:
        """The true rate; at the lowest false-positive rate, at the threshold that this sample sets."""
        threshold = {
            "asr": self.shift / 2,
            "tpr_at_fpr_1pct": self.spread * norm.isf(0.01),
            LOWEST_TPR: scores.loc[~scores["is_member"], "score"].max(),
        }.get(self.metric)
        if threshold is not None:
            return float(norm.sf(threshold - self.shift, scale=self.spread))
        return self.auc(self.shift) - (self.auc(self.other) if self.metric == "advantage_over_blind" else 0.0)


AUCS = [Setting("auc", 50, 1, 0.0, shift) for shift in (1.0, 2.0, 2.5, 3.0, 3.5, 4.5)]
SETTINGS = [
    *AUCS,
    Setting("auc", 14, 1, 0.0, 3.0),
    Setting("auc", 50, 10, 1.0, 1.5),
    Setting("auc", 50, 10, 1.0, 5.0),
    Setting("asr", 50, 1, 0.0, 2.0),
    Setting("asr", 50, 1, 0.0, 5.0),
    Setting("asr", 50, 10, 1.0, 5.0),
    Setting(LOWEST_TPR, 50, 1, 0.0, 1.5),
    Setting(LOWEST_TPR, 50, 1, 0.0, 5.0),
    Setting("tpr_at_fpr_1pct", 50, 1, 0.0, 1.5),
    Setting("tpr_at_fpr_1pct", 199, 1, 0.0, 1.5),
    Setting("tpr_at_fpr_1pct", 300, 1, 0.0, 3.5),
    Setting("tpr_at_fpr_1pct", 50, 10, 1.0, 2.5),
    Setting("tpr_at_fpr_1pct", 50, 10, 1.0, 5.0),
    Setting("tpr_at_fpr_1pct", 50, 10, 2.0, 4.0),
    Setting("advantage_over_blind", 50, 1, 0.0, 1.5, 1.2),
    Setting("advantage_over_blind", 50, 1, 0.0, 3.5, 3.0),
    Setting("advantage_over_blind", 50, 1, 0.0, 6.0, 5.5),
]


class Found(NamedTuple):
    """Means over data sets; NaN where nothing could be measured."""

    truth: float
    value: float
    covered: float
    width: float


def simulate(setting: Setting, data_sets: int, resamples: int = 1000) -> Found:
    """Measure simulated attacks as an audit does."""
    rows = np.array(list(_measured(setting, data_sets, resamples)), dtype=float)
    truth, value, low, high = rows.T
    covered = np.where(np.isnan(value), np.nan, (low <= truth) & (truth <= high))
    return Found(*(float(column.mean()) for column in (truth, value, covered, high - low)))


def _measured(setting: Setting, data_sets: int, resamples: int) -> Iterator[tuple[float | None, ...]]:
    for seed in range(data_sets):
        scores, blind = _draw(setting, np.random.default_rng(seed))
        beside = blind if setting.metric == "advantage_over_blind" else None
        found: Numbers = measure_membership(scores, beside, BootstrapOptions(resamples=resamples))["unseen_identity"]
        yield setting.truth(scores), *(found[f"{setting.metric}{end}"] for end in ("", "_ci_low", "_ci_high"))


def _draw(setting: Setting, generator: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    identity = np.repeat(np.arange(2 * setting.people), setting.images)
    is_member = identity < setting.people
    noise, own = (
        generator.normal(size=len(identity)) + setting.effect * generator.normal(size=2 * setting.people)[identity]
        for _ in range(2)
    )
    score, other = noise + setting.shift * is_member, (noise + np.sqrt(3) * own) / 2 + setting.other * is_member
    table = pd.DataFrame({"image_id": np.arange(len(identity)), "identity": identity, "is_member": is_member})
    scores = table.assign(
        population=np.where(is_member, "member", "unseen_identity"),
        score=score,
        says_member=score > setting.shift / 2,
    )
    return scores, table.assign(score=other)


def run(data_sets: int = DATA_SETS) -> bool:
    """Print the table of docs/findings/intervals.md; say whether all intervals that were measured cover enough."""
    print("| metric | people a class | images each | person effect | true | mean estimate | covers | mean width |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    enough = True
    for setting in track(SETTINGS, "Settings", len(SETTINGS)):
        found = simulate(setting, data_sets)
        sizes = f"{setting.people} | {setting.images} | {setting.effect:g}"
        told = "not measurable | – | –"
        if not np.isnan(found.value):
            told = f"{found.value:.3f} | {found.covered:.3f} | {found.width:.3f}"
            enough &= found.covered >= AT_LEAST or setting.effect > 1
        print(f"| `{setting.metric}` | {sizes} | {found.truth:.4f} | {told} |", flush=True)
    return enough


if __name__ == "__main__":
    sys.exit(0 if run(int(sys.argv[1]) if len(sys.argv) > 1 else DATA_SETS) else 1)
