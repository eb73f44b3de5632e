"""Reading signals off a backbone for many images: one table, one row an image."""

from collections.abc import Iterable, Sequence

import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.embedding import read_faces
from faceleak.compute import ComputeOptions
from faceleak.faces.store import FaceStore
from faceleak.pieces import code_version, fingerprint, remembered_table
from faceleak.signals import registry

CODE = (
    "faceleak.signals.pooling",
    *(f"faceleak.backbones.{module}" for module in ("backbone", "batch_norm", "embedding", "faces_input", "iresnet")),
)


def read_signals(
    names: Sequence[str], backbone: Backbone, store: FaceStore, image_ids: Iterable[str], compute: ComputeOptions
) -> pd.DataFrame:
    """Read the named signals: image_id, and a float32 column `<signal>.<column>` for each number that they give.

    What was read before off the same backbone and images is taken from `compute.cache`.
    """
    rows = store.positions(image_ids)
    images = store.manifest().iloc[rows][["image_id", "sha256"]].reset_index(drop=True)
    tables = [_read_once(name, backbone, store, images, compute) for name in names]
    return pd.concat([images[["image_id"]], *tables], axis=1)


def _read_once(
    name: str, backbone: Backbone, store: FaceStore, images: pd.DataFrame, compute: ComputeOptions
) -> pd.DataFrame:
    signal = registry.get(name)
    code = code_version(f"faceleak.signals.{name}", *CODE)
    piece = fingerprint(name, code, images, backbone.card.preprocessing, backbone.weights_hash())

    def read() -> pd.DataFrame:
        values = read_faces(signal.read, backbone, store, images["image_id"], compute, f"Reading {name}")
        return pd.DataFrame(values, columns=[f"{name}.{column}" for column in signal.column_names(backbone.net)])

    return remembered_table(compute.cache / "signals" / f"{piece}.parquet", read)


def columns_of(signal: str, table: pd.DataFrame) -> list[str]:
    """The columns of `table` that hold this signal."""
    return [column for column in table.columns if column.startswith(f"{signal}.")]
