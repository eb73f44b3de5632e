"""Tables of signals as attacks take them: of several views, of a person's other images, of images with references.

Other images are what an attacker sees who holds images of a person, but none that the target can have been trained on
(2203.02077). A signal that compares images of a person would otherwise show what training on the companions did. So it
is read a second time, among only these images, and kept with the first reading (`columns.read_again`). Views are
independent tasks: read side by side, and none read twice. The blind baseline's table holds what can be told of the
images without a look at the target.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import View
from faceleak.membership.inputs import aligned
from faceleak.membership.options import BlindOptions
from faceleak.signals import is_read_off_images
from faceleak.signals.columns import Column, columns_of, read_again, second_readings
from faceleak.work.compute import ComputeOptions, run_tasks, worker_count

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone


def other_images(splits: pd.DataFrame) -> pd.DataFrame:
    """The images that such an attacker is judged on: rows of `splits`, none of a role that is trained on.

    Of members' people, whom the attacker does not know, all that were not trained on; of unseen people as many as
    members' people have, so their number tells nothing: the person with the most images of their kind is matched
    with the person with the most, and so on.
    """
    unknown_to_the_attacker = splits[~splits["known"]].sort_values("image_id")
    of_members = with_role(unknown_to_the_attacker, "same_identity")
    of_unseen = with_role(unknown_to_the_attacker, "unseen_identity").sample(frac=1, random_state=0)
    if of_members.empty or of_unseen.empty:
        return of_members.head(0)
    rank = of_unseen.groupby("identity").size().rank(method="first", pct=True)
    size = np.quantile(of_members.groupby("identity").size(), rank, method="inverted_cdf")
    place = of_unseen.groupby("identity").cumcount()
    chosen = of_unseen[place < of_unseen["identity"].map(pd.Series(size, rank.index))]
    return pd.concat([of_members, chosen]).sort_index()


def read_with_other_images(
    names: Sequence[str],
    backbone: "Backbone",
    store: FaceStore,
    images: pd.DataFrame,
    compute: ComputeOptions,
    anchors: pd.DataFrame,
    within: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Read signals as `read_signals` does, and comparison signals again among `other_images` only.

    images: rows of the splits. The second reading's columns are empty for all other images.
    """
    from faceleak.signals.reading import read_signals

    read = read_signals(names, backbone, store, images, compute, anchors, within)
    comparisons = [name for name in names if not is_read_off_images(name)]
    others = other_images(images)
    if not comparisons or others.empty:
        return read
    together = images if within is None else within
    again = read_signals(comparisons, backbone, store, others, compute, anchors, together).set_index("image_id")
    return read.join(again.rename(columns=read_again), on="image_id")


def columns_again(signal: str, table: pd.DataFrame) -> list[str]:
    """The columns of `table` that hold the second reading of this signal."""
    return [name for name, first in second_readings(table).items() if Column.parse(first).signal == signal]


def has_other_images(signals: Iterable[str], table: pd.DataFrame) -> bool:
    """Whether all of these signals that compare images were read a second time."""
    return all(columns_again(name, table) for name in signals if not is_read_off_images(name))


def as_other_images(table: pd.DataFrame) -> pd.DataFrame:
    """The second reading in the place of the first."""
    second = second_readings(table)
    return table.drop(columns=list(second.values()), errors="ignore").rename(columns=second)


def without_other_images(table: pd.DataFrame) -> pd.DataFrame:
    """Only the first reading."""
    return table.drop(columns=list(second_readings(table)))


@dataclass(frozen=True)
class SignalsTask:
    """What is read off one view: `names`, for `images`, compared with `anchors`."""

    names: tuple[str, ...]
    backbone: "Backbone"
    store: FaceStore
    images: pd.DataFrame
    anchors: pd.DataFrame


def read_views(tasks: Mapping[View, SignalsTask], compute: ComputeOptions) -> dict[View, pd.DataFrame]:
    """Read every view's signals, as `read_with_other_images` gives them.

    Workers leave in the cache what they read, so tables need not travel between processes.
    """
    if compute.engine == "ray" or worker_count(compute, len(tasks)) > 1:
        run_tasks(partial(_fill_cache, compute=compute), list(tasks.values()), compute)
    return {view: _read(task, compute) for view, task in tasks.items()}


def _fill_cache(task: SignalsTask, compute: ComputeOptions) -> None:
    _read(task, compute)


def _read(task: SignalsTask, compute: ComputeOptions) -> pd.DataFrame:
    return read_with_other_images(task.names, task.backbone, task.store, task.images, compute, task.anchors)


def beside_images(of_images: pd.DataFrame, calibration_signals: pd.DataFrame, options: BlindOptions) -> pd.DataFrame:
    """Join the first references' signals with those of the images: image_id, columns, `<reference>.<column>`.

    of_images: image_id and columns; calibration_signals: reference, image_id and columns, from `other_images` too
    if they have such. Raises MissingSignalsError.
    """
    parts = [of_images.reset_index(drop=True)]
    for name in calibration_signals["reference"].unique()[: options.references]:
        rows = aligned(of_images, calibration_signals[calibration_signals["reference"] == name])
        columns = [column for signal in options.reference_signals for column in columns_of(signal, rows)]
        parts.append(rows[columns].add_prefix(f"{name}."))
        second = [column for signal in options.reference_signals for column in columns_again(signal, rows)]
        renamed = {column: read_again(f"{name}.{first}") for column, first in second_readings(rows[second]).items()}
        parts.append(rows[second].rename(columns=renamed))
    return pd.concat(parts, axis=1)
