"""Works from the tasks that nodes make: those that exist, and stand-ins for those that do not."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import load_backbone
from faceleak.backbones.target_options import TargetOptions
from faceleak.backbones.training_task import TrainingTask
from faceleak.bypasses import registry as bypasses
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.membership.attackers import AttackerName, View
from faceleak.membership.inputs import known_images
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.networks import BYTES, Network, StandIn, columns, network_of, weight_bytes
from faceleak.planning.quantities import comparing, reading, training
from faceleak.planning.sample import StatedFaces
from faceleak.planning.work import Cost, Work
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.signals import is_read_off_images
from faceleak.signals.reading import EMBEDDING, readers_of, signal_paths
from faceleak.work.compute import ComputeOptions

Key = TypeVar("Key", bound=Hashable)
ID_BYTES = 100  # of names, hashes and labels in a row of a table
COPIES = 3  # of a table in memory while it is put together: its parts, the whole, what is taken out of it


@dataclass(frozen=True)
class Audit:
    """The options of an audit, each block under its name in the configuration."""

    faces: FacesOptions
    target: TargetOptions
    membership: MembershipOptions
    attackers: list[AttackerName]
    reconstruction: ReconstructionOptions
    defense: DefenseOptions
    bootstrap: BootstrapOptions
    compute: ComputeOptions


@dataclass(frozen=True)
class Table:
    """A table of signals that a node makes, by its number of rows, and what they are read off.

    read: makes it for only these attacks, if all exists.
    """

    rows: int
    backbones: Mapping[Any, Backbone]
    read: Callable[[MembershipOptions], pd.DataFrame] | None = None

    @property
    def network(self) -> Network:
        """The first one's."""
        return network_of(next(iter(self.backbones.values())))


class Tasks:
    """The tasks of one audit, each of which counts once: to the first node that makes it.

    store: a FaceStore, or what stands for it. splits: of its images.
    """

    def __init__(self, options: Audit, store: Any, splits: pd.DataFrame) -> None:
        self.options, self.store, self.splits, self.compute = options, store, splits, options.compute
        self.evaluated, self.public = with_role(splits, *EVALUATED_ROLES), with_role(splits, "public")
        self.is_packed = not isinstance(store, StatedFaces)
        self.known = len(known_images(splits))
        self.judged = len(self.evaluated) - self.known
        self._counted: set[Hashable] = set()
        self._backbones: dict[Path, Backbone] = {}

    def is_new(self, key: Hashable) -> bool:
        """Whether nothing was asked for by this name before."""
        new = key not in self._counted
        self._counted.add(key)
        return new

    def backbone(self, task: Any, network: Network) -> Backbone:
        """The backbone that a task (`path`, `folder`) makes, or what stands for it until it is there."""
        if task.path not in self._backbones:
            self._backbones[task.path] = load_backbone(task.folder) if task.path.exists() else StandIn(network)
        return self._backbones[task.path]

    def trained(self, task: TrainingTask) -> Backbone:
        """The backbone that is trained, or what stands for it."""
        return self.backbone(task, Network.of(task.options, None))

    def trainings(self, kind: str, tasks: Iterable[TrainingTask], pool: str, alike: int = 1) -> list[Work]:
        """Backbones that are trained; each task stands for so many that are `alike`."""
        return [
            Work(
                kind,
                alike,
                (Cost(training(task.options), task.quantity),),
                pool,
                there=alike * task.path.exists(),
                disk=backbone_bytes(self.trained(task), task.images["identity"].nunique()),
            )
            for task in tasks
            if self.is_new(task.path)
        ]

    def readings(
        self,
        kind: str,
        signals: Sequence[str] | Callable[[Backbone], Sequence[str]],
        images_of: Mapping[Key, pd.DataFrame],
        backbones: Mapping[Key, Backbone],
        pool: str = "",
        passes: Callable[[Key], int] = lambda _: 1,
    ) -> list[Work]:
        """Signals that are read off backbones, each for its images, and what compares them, which is not kept.

        signals: the same for all, or by the backbone. passes: how often one of a name is asked for an embedding.
        """
        works = []
        for name, backbone in backbones.items():
            names, images = list(signals(backbone) if callable(signals) else signals), images_of[name]
            ids = images["image_id"]
            if not self.is_new((backbone.network_hash(), tuple(names), len(ids), ids.iloc[0], ids.iloc[-1])):
                continue
            compares, rows = any(not is_read_off_images(signal) for signal in names), len(images)
            read = rows + (len(self.public) if compares else 0)
            table = rows * (table_columns(backbone, names) * BYTES + ID_BYTES)
            cached = read * len(columns(backbone, [reader.name for reader in readers_of(names)])) * BYTES
            shards = max(1, -(-rows // self.compute.shard_images))
            costs = [Cost(reading(network_of(backbone)), passes(name) * read, shards)]
            compared = Cost(comparing(backbone.card.embedding_size, len(self.public)), rows)
            costs += [compared] if compares and pool else []  # workers compare too
            there = self._are_read(names, backbone, images, compares)
            works.append(Work(kind, 1, tuple(costs), pool, there=there, disk=table + cached, held=COPIES * table))
            if compares:
                works.append(Work(f"tables of {kind.removeprefix('signals of ')}", 1, (compared,), kept=False))
        return works

    def _are_read(self, names: list[str], backbone: Backbone, images: pd.DataFrame, compares: bool) -> bool:
        if isinstance(backbone, StandIn) or not self.is_packed:
            return False
        asked = [(readers_of(names), images), *([(readers_of([EMBEDDING]), self.public)] if compares else [])]
        network = backbone.network_hash()
        found = [signal_paths(readers, network, self.store, rows, self.compute) for readers, rows in asked]
        return all(path.exists() for paths in found for of_shards in paths.values() for path in of_shards)

    def table(
        self,
        images: Mapping[Key, pd.DataFrame],
        backbones: Mapping[Key, Backbone],
        works: Iterable[Work],
        read: partial[pd.DataFrame],
    ) -> Table:
        """The table that `read(options=…)` makes of these images, if all `works` are done."""
        there = is_complete(works, backbones.values())
        rows = sum(map(len, images.values()))
        return Table(rows, backbones, (lambda options: read(options=options)) if there else None)


def is_complete(works: Iterable[Work], backbones: Iterable[Backbone]) -> bool:
    """Whether nothing that is kept is missing."""
    missing = any(work.missing for work in works if work.kept)
    return not missing and not any(isinstance(backbone, StandIn) for backbone in backbones)


def backbone_bytes(backbone: Backbone, people: int) -> float:
    """Bytes of a trained backbone on disk, in the cache and under 06_models, with its head for so many people."""
    return 2 * (weight_bytes(backbone) + people * backbone.card.embedding_size * BYTES)


def table_columns(backbone: Backbone, signals: Sequence[str]) -> int:
    """Numbers an image in a table of these signals; comparisons are read among other images too."""
    return sum(len(columns(backbone, [name])) * (1 if is_read_off_images(name) else 2) for name in signals)


def queries(view: View) -> int:
    """How often a view asks the released backbone for one embedding."""
    return getattr(bypasses.get(view.bypass), "QUERIES", 1) if view.bypass else 1
