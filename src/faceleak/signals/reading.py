"""Reading signals off a backbone for many images: one table, one row an image."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.embedding import read_faces
from faceleak.compute import ComputeOptions
from faceleak.faces.store import FaceStore
from faceleak.signals import registry


def read_signals(
    names: Sequence[str], backbone: Backbone, store: FaceStore, image_ids: Iterable[str], compute: ComputeOptions
) -> pd.DataFrame:
    """Read the named signals: image_id, and a float32 column `<signal>.<column>` for each number that they give."""
    image_ids = list(image_ids)
    tables = []
    for name in names:
        signal = registry.get(name)
        values = read_faces(signal.read, backbone, store, image_ids, compute, f"Reading {name}")
        columns = [f"{name}.{column}" for column in signal.column_names(backbone.net)]
        tables.append(pd.DataFrame(values, columns=columns))
    return pd.concat([pd.DataFrame({"image_id": image_ids}), *tables], axis=1)


def columns_of(signal: str, table: pd.DataFrame) -> list[str]:
    """The columns of `table` that hold this signal."""
    return [column for column in table.columns if column.startswith(f"{signal}.")]


def matrix(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """The columns as float64 (rows, columns)."""
    return table[list(columns)].to_numpy(np.float64)
