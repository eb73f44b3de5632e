"""Variants and views as cached tasks: made in parallel, keyed by their inputs, none made twice."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import CARD, load_backbone, save_backbone
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_task import HASHED
from faceleak.bypasses import OwnFaces
from faceleak.bypasses import registry as bypasses
from faceleak.defenses import registry
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import Owner
from faceleak.membership.attackers import View
from faceleak.work.compute import ComputeOptions, run_tasks
from faceleak.work.tasks import code_version, fingerprint


@dataclass(frozen=True)
class VariantTask:
    """One defense of one backbone."""

    owner: Owner
    options: VariantOptions

    @cached_property
    def folder(self) -> Path:
        """Where the variant lies once it is there."""
        owner, options = self.owner, self.options
        training = None if owner.training is None else [owner.training.data_hash, owner.training.options.model_dump()]
        public = owner.store.as_stored(owner.public)[HASHED]
        code = code_version(registry.module(options.defense))
        parts = (options.defense, options.checked_settings(), options.seed, public, training, code)
        return owner.compute.cache / "variants" / fingerprint(*what_of(owner.backbone), *parts)

    @property
    def path(self) -> Path:
        """The file that is written last: once it is there, the variant is."""
        return self.folder / CARD


@dataclass(frozen=True)
class ViewTask:
    """One bypass of one released backbone."""

    released: Backbone
    bypass: str
    own: OwnFaces

    @cached_property
    def folder(self) -> Path:
        """Where the view lies once it is there."""
        own = self.own.store.as_stored(self.own.images)[HASHED]
        code = code_version(bypasses.module(self.bypass), "faceleak.backbones.loading")
        return self.own.compute.cache / "views" / fingerprint(*what_of(self.released), self.bypass, code, own)

    @property
    def path(self) -> Path:
        """The file that is written last: once it is there, the view is."""
        return self.folder / CARD


def what_of(backbone: Backbone) -> tuple[Any, ...]:
    """What is saved of a backbone or made of it follows from these."""
    return backbone.network_hash(), backbone.card, backbone.head and backbone.head.hash()


AnyTask = TypeVar("AnyTask", VariantTask, ViewTask)
Key = TypeVar("Key", bound=Hashable)


def make_variants(owner: Owner, variants: Sequence[VariantOptions], compute: ComputeOptions) -> dict[str, Backbone]:
    """Make every variant that is not in the cache yet, in parallel if there are cores; return all by name."""
    tasks = {options.name: VariantTask(owner, options) for options in variants}
    needed = missing(tasks.values())
    train_backbones(trainings(needed), compute)
    run_tasks(make_variant, needed, compute)
    return {name: load_backbone(task.folder) for name, task in tasks.items()}


def missing(tasks: Iterable[AnyTask]) -> list[AnyTask]:
    """Those that are not in the cache yet, each once."""
    return list({task.path: task for task in tasks if not task.path.exists()}.values())


def trainings(tasks: Iterable[VariantTask]) -> list[TrainingTask]:
    """What can be trained for these variants before any of them is made."""
    modules: list[tuple[Any, VariantTask]] = [(registry.get(task.options.defense), task) for task in tasks]
    return [
        training
        for module, task in modules
        if hasattr(module, "tasks")
        for training in module.tasks(task.owner, task.options.checked_settings(), task.options.seed)
    ]


def make_variant(task: VariantTask) -> None:
    """Defend the owner's backbone and keep the result."""
    owner, options = task.owner, task.options
    owner = replace(owner, compute=owner.compute.model_copy(update={"workers": 1}))
    defended = registry.get(options.defense).defend(owner, options.checked_settings(), options.seed)
    save_backbone(defended, task.folder)


def make_views(
    variants: Mapping[str, Backbone], bypasses_of: Mapping[str, Sequence[str]], own: OwnFaces, compute: ComputeOptions
) -> dict[View, Backbone]:
    """Every variant as it was released, and once for each bypass that its attacker can try."""
    tasks = {
        View(name, bypass): ViewTask(variants[name], bypass, own)
        for name, tried in bypasses_of.items()
        for bypass in bypasses.possible(tried, variants[name])
    }
    return {**{View(name): released for name, released in variants.items()}, **bypass_all(tasks, compute)}


def bypass_all(tasks: Mapping[Key, ViewTask], compute: ComputeOptions) -> dict[Key, Backbone]:
    """Bypass what is not in the cache yet, in parallel if there are cores; the rest is bypassed each time."""
    kept = {key: task for key, task in tasks.items() if bypasses.get(task.bypass).IS_A_BACKBONE}
    run_tasks(make_view, missing(kept.values()), compute, compute.training_processes)  # some train
    return {
        key: load_backbone(task.folder) if key in kept else bypasses.get(task.bypass).bypass(task.released, task.own)
        for key, task in tasks.items()
    }


def make_view(task: ViewTask) -> None:
    """Bypass a defense and keep the result."""
    save_backbone(bypasses.get(task.bypass).bypass(task.released, task.own), task.folder)
