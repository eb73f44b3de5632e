"""Reference backbones as shadows of each variant: they get the target's defense and its bypass.

Each is retrained, perturbed or released by the same defense with the same settings, but with another seed: the
attacker does not know the owner's. A bypass takes public faces, because the target is bypassed with people whom it
never saw, and every auxiliary person is trained on by some reference or evaluated on all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import load_backbone
from faceleak.backbones.training import train_backbones
from faceleak.bypasses import OwnFaces, registry
from faceleak.common.errors import FaceleakError
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import DefenseError, Owner
from faceleak.defenses.tasks import VariantTask, ViewTask, bypass_all, make_variant, missing, trainings
from faceleak.membership.attackers import UNDEFENDED, View
from faceleak.work.compute import ComputeOptions, run_tasks

ByReference = dict[str, Backbone]


class ShadowError(DefenseError):
    """A reference backbone cannot be defended, or bypassed, as a variant of the target is."""


def shadow_views(
    references: Mapping[str, Owner],
    variants: Sequence[VariantOptions],
    bypasses_of: Mapping[str, Sequence[str]],
    own: OwnFaces,
    compute: ComputeOptions,
) -> Iterator[tuple[View, ByReference]]:
    """Every view of the target, `undefended` first, and each reference as the target is in that view.

    references: each reference as the backbone of its owner. bypasses_of: variant → bypasses that the attacker tries.
    All are made before the first is given, those that are not in the cache yet, and only one view's are held at a time.
    Raises ShadowError, which names the reference and the variant.
    """
    defended = {options.name: shadows_of(options, references) for options in variants}
    needed = missing(task for of_reference in defended.values() for task in of_reference.values())
    with _telling("A reference cannot be trained again as the target was"):
        train_backbones(trainings(needed), compute)
    run_tasks(make_shadow, needed, compute)
    released = {name: owner.backbone for name, owner in references.items()}
    yield from _views_of(UNDEFENDED, released, bypasses_of.get(UNDEFENDED, ()), own, compute)
    for variant, of_reference in defended.items():
        released = {name: load_backbone(task.folder) for name, task in of_reference.items()}
        yield from _views_of(variant, released, bypasses_of.get(variant, ()), own, compute)


def shadows_of(options: VariantOptions, references: Mapping[str, Owner]) -> dict[str, VariantTask]:
    """The variant of each reference, each with a seed of its own and none with the target's."""
    return {
        name: VariantTask(owner, options.model_copy(update={"seed": options.seed + number}))
        for number, (name, owner) in enumerate(references.items(), start=1)
    }


def make_shadow(task: VariantTask) -> None:
    """Defend one reference and keep the result. Raises ShadowError."""
    who = "A reference" if task.owner.training is None else task.owner.training.name
    with _telling(f"{who} cannot be defended as {task.options.name}"):
        make_variant(task)


def _views_of(
    variant: str, released: ByReference, bypasses: Sequence[str], own: OwnFaces, compute: ComputeOptions
) -> Iterator[tuple[View, ByReference]]:
    bypasses = registry.possible(bypasses, next(iter(released.values())))
    tasks = {(bypass, name): ViewTask(released[name], bypass, own) for bypass in bypasses for name in released}
    with _telling(f"The defense of the references as {variant} cannot be bypassed on public faces"):
        bypassed = bypass_all(tasks, compute)
    yield View(variant), released
    for bypass in bypasses:
        yield View(variant, bypass), {name: bypassed[bypass, name] for name in released}


@contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except FaceleakError as error:
        raise ShadowError(
            f"{what}: {error} Or take `shadow` out of defense.threat_models, and no reference is defended."
        ) from error
