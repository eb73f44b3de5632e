"""Signals of several views as independent pieces of work: read side by side, and none read twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions, run_pieces, worker_count

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone


@dataclass(frozen=True)
class SignalsPiece:
    """What is read off one view: `names`, for `images`, compared with `anchors`."""

    names: tuple[str, ...]
    backbone: "Backbone"
    store: FaceStore
    images: pd.DataFrame
    anchors: pd.DataFrame


def read_views(pieces: Mapping[str, SignalsPiece], compute: ComputeOptions) -> dict[str, pd.DataFrame]:
    """Read every view's signals, as `read_with_other_images` gives them, by the views' names.

    Workers leave in the cache what they read, so that tables need not travel between processes.
    """
    if compute.engine == "ray" or worker_count(compute, len(pieces)) > 1:
        run_pieces(partial(_fill_cache, compute=compute), list(pieces.values()), compute)
    return {view: _read(piece, compute) for view, piece in pieces.items()}


def _fill_cache(piece: SignalsPiece, compute: ComputeOptions) -> None:
    _read(piece, compute)


def _read(piece: SignalsPiece, compute: ComputeOptions) -> pd.DataFrame:
    from faceleak.membership.other_images import read_with_other_images

    return read_with_other_images(piece.names, piece.backbone, piece.store, piece.images, compute, piece.anchors)
