"""Reading signals off a backbone for many images: one table, one row an image, one forward pass for all signals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.embedding import read_faces
from faceleak.common.errors import FaceleakError
from faceleak.common.named import PartError
from faceleak.faces.store import FaceStore
from faceleak.signals import Comparison, EmbeddedImages, Need, Signal, registry
from faceleak.signals.columns import column_names, names_read
from faceleak.signals.observation import observe
from faceleak.work.checksummed import load_table, save_table
from faceleak.work.compute import ComputeOptions, run_tasks
from faceleak.work.tasks import code_version, fingerprint, writing

EMBEDDING = "embedding"


class NotTogetherError(FaceleakError):
    """Signals are asked for images that are not among those to be read."""


def read_signals(
    names: Sequence[str],
    backbone: Backbone,
    store: FaceStore,
    images: pd.DataFrame,
    compute: ComputeOptions,
    anchors: pd.DataFrame | None = None,
    within: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Read the named signals: image_id, and a float32 column `<signal>.<column>` for each number that they give.

    images: image_id and identity. anchors: image_id of the images that `anchor_similarity` compares with. within:
    images to read together, among them `images`; several calls with the same ones read them once, since what was read
    before off the same backbone and images is taken from `compute.cache`.
    Raises NotTogetherError if an image is not among `within`.
    """
    signals = [registry.get(name) for name in names]
    compares = any(isinstance(signal, Comparison) for signal in signals)
    readers = readers_of(names)
    read = images if within is None else within
    rows = pd.Index(read["image_id"]).get_indexer(images["image_id"])
    if missing := int((rows < 0).sum()):
        raise NotTogetherError(
            f"{missing} of {len(images)} images are not among the {len(read)} that are read together, so that there is "
            "nothing to take for them: `within` has to hold all of `images`."
        )
    network = backbone.network_hash()
    whole = _read_together(readers, backbone, network, store, read, compute)
    tables = {name: table.iloc[rows].reset_index(drop=True) for name, table in whole.items()}
    if compares:
        unit = _unit(tables[EMBEDDING])
        non_members = np.empty((0, unit.shape[1]), np.float32)
        if anchors is not None and len(anchors):
            embedder = [registry.get_reader(EMBEDDING)]
            non_members = _unit(_read_together(embedder, backbone, network, store, anchors, compute)[EMBEDDING])
        embedded = EmbeddedImages(unit, images["identity"].to_numpy(), non_members, backbone.head)
        for signal in signals:
            if isinstance(signal, Comparison):
                values = signal.compare(embedded)
                if values.shape[1] != len(signal.columns):
                    raise PartError(
                        f"`compare` of {signal.name} returned {values.shape[1]} columns, and its COLUMNS are "
                        f"{len(signal.columns)} names."
                    )
                tables[signal.name] = pd.DataFrame(values, columns=column_names(signal.name, signal.columns))
    ids = images[["image_id"]].reset_index(drop=True)
    together: pd.DataFrame = pd.concat([ids, *(tables[name] for name in names)], axis=1)
    return together


def _unit(table: pd.DataFrame) -> NDArray[np.float32]:
    embeddings = table.to_numpy(np.float32)
    unit: NDArray[np.float32] = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True).clip(1e-12)
    return unit


def signal_table(signal: Signal, backbone: Backbone, values: NDArray[np.float32]) -> pd.DataFrame:
    """Name the columns of values (n, columns) that a signal gave for this backbone."""
    names = names_read(signal, backbone.net, values.shape[1])
    if len(names) != values.shape[1]:
        raise PartError(
            f"`compute` of {signal.name} returned {values.shape[1]} columns, and its column_names {len(names)} names."
        )
    return pd.DataFrame(values, columns=names)


def _read_together(
    signals: Sequence[Signal],
    backbone: Backbone,
    network: str,
    store: FaceStore,
    images: pd.DataFrame,
    compute: ComputeOptions,
) -> dict[str, pd.DataFrame]:
    """Read what is not in the cache, all signals of a shard in one pass; `network` is the backbone's hash."""
    paths = signal_paths(signals, network, store, images, compute)
    ids = images["image_id"].to_numpy()
    shards = [
        Shard(tuple(ids[rows]), missing)
        for number, rows in enumerate(_rows_of_shards(len(ids), compute))
        if (missing := {name: of_shards[number] for name, of_shards in paths.items() if not of_shards[number].exists()})
    ]
    read = partial(read_shard, backbone=backbone, store=store, compute=compute)
    if len(shards) > 1:
        run_tasks(read, shards, compute)
    else:
        list(map(read, shards))
    return {name: pd.concat(map(load_table, of_shards), ignore_index=True) for name, of_shards in paths.items()}


@dataclass(frozen=True)
class Shard:
    """Images to read together, and where each signal of them goes, by its name."""

    image_ids: tuple[str, ...]
    paths: dict[str, Path]


def read_shard(shard: Shard, backbone: Backbone, store: FaceStore, compute: ComputeOptions) -> None:
    """Read all signals of a shard in one pass and write their tables."""
    signals = [registry.get_reader(name) for name in shard.paths]
    for signal, table in _read(signals, backbone, store, shard.image_ids, compute):
        with writing(shard.paths[signal.name]) as unfinished:
            save_table(unfinished, table)


def signal_paths(
    signals: Sequence[Signal],
    network: str,
    store: FaceStore,
    images: pd.DataFrame,
    compute: ComputeOptions,
) -> dict[str, list[Path]]:
    """Where each signal of these images lies once it is there, shard by shard; `network` is the backbone's hash."""
    known = store.as_stored(images)[["image_id", "sha256"]]
    shards = [known.iloc[rows] for rows in _rows_of_shards(len(known), compute)]

    def path(signal: Signal, shard: pd.DataFrame) -> Path:
        code = code_version(__name__, registry.module(signal.name))
        task = fingerprint(signal.name, code, shard, network)
        return compute.cache / "signals" / f"{task}.parquet"

    return {signal.name: [path(signal, shard) for shard in shards] for signal in signals}


def _rows_of_shards(images: int, compute: ComputeOptions) -> list[slice]:
    return [slice(start, start + compute.shard_images) for start in range(0, images, compute.shard_images)]


def readers_of(names: Sequence[str]) -> list[Signal]:
    """What has to be read off single images for these signals: with the embedding, if one compares images."""
    signals = [registry.get(name) for name in names]
    readers = [signal for signal in signals if isinstance(signal, Signal)]
    if EMBEDDING not in names and len(readers) < len(signals):
        readers.append(registry.get_reader(EMBEDDING))
    return readers


def _read(
    signals: Sequence[Signal], backbone: Backbone, store: FaceStore, ids: Sequence[str], compute: ComputeOptions
) -> Iterator[tuple[Signal, pd.DataFrame]]:
    needs = frozenset[Need]().union(*(signal.needs for signal in signals))
    widths: list[int] = []

    def read(net: Backbone, faces: Tensor) -> Tensor:
        seen = observe(net, faces, needs)
        parts = [signal.compute(seen) for signal in signals]
        widths[:] = [part.shape[1] for part in parts]
        return torch.cat(parts, dim=1)

    description = f"Reading {', '.join(signal.name for signal in signals)}"
    values = read_faces(read, backbone, store, ids, compute, description)
    for signal, part in zip(signals, np.split(values, np.cumsum(widths)[:-1], axis=1), strict=True):
        yield signal, signal_table(signal, backbone, part)
