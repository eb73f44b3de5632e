"""The target trained again on the same members, with some of its training options replaced.

Early stopping (`epochs`), `weight_decay`, stronger `augmentation`, and the BN ablation: group normalization in place of
BN (`normalization`), or BN that keeps the statistics of a backbone trained on public faces (`frozen_statistics`), from
which training then starts. Does BN itself amplify memorization (arXiv 2605.24420)? Fewer stored statistics are not
fewer that can be measured: an attacker with the weights measures them at every normalization, with their own faces.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from faceleak.common.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.training import TrainingTask
    from faceleak.defenses.owner import Owner

BYPASSES = ("bn_insertion",)


class Settings(Options):
    """Training options in place of the target's; without one the target's own stays."""

    epochs: int | None = Field(None, ge=0)
    """Passes over the images; fewer than the target's are early stopping."""
    weight_decay: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Weight decay of SGD, stronger than the target's."""
    augmentation: Literal["none", "strong"] | None = None
    """Augmentation, stronger than the target's."""
    normalization: Literal["batch", "group"] | None = None
    """Kind of the normalization layers; `group` in place of BN."""
    frozen_statistics: bool | None = None
    """BN keeps the statistics of a backbone trained on public faces, from which training starts."""

    @model_validator(mode="after")
    def _replaces_something(self) -> "Settings":
        if not self.replaced():
            raise ValueError(f"retraining replaces nothing: give one of {', '.join(type(self).model_fields)} at least")
        if self.frozen_statistics and self.normalization == "group":
            raise ValueError("frozen_statistics is about batch normalization, and normalization is `group`")
        return self

    def replaced(self) -> dict[str, int | float | str | bool]:
        """The options that are given."""
        return self.model_dump(exclude_none=True)


def tasks(owner: "Owner", settings: Settings, seed: int) -> "list[TrainingTask]":
    """What can be trained now: while the public start is missing, only that. Raises DefenseError."""
    start = _start(owner, settings)
    if start is not None and not start.path.exists():
        return [start]
    return [_task(owner, settings, seed)]


def quantity(owner: "Owner", settings: Settings) -> int:
    """Images that `defend` trains on while the public start is missing; else the training is one of `tasks`."""
    start = _start(owner, settings)
    return 0 if start is None or start.path.exists() else _task(owner, settings, seed=0).quantity


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Train, or take what was trained. Seed 0 begins with the target's own initial weights and order of images.

    Raises DefenseError if the target was loaded, and TrainingError.
    """
    from faceleak.backbones.training import train_backbones

    if (start := _start(owner, settings)) is not None:
        train_backbones([start], owner.compute)
    return train_backbones([_task(owner, settings, seed)], owner.compute)[0]


def _start(owner: "Owner", settings: Settings) -> "TrainingTask | None":
    from faceleak.defenses import public_start

    return public_start.tasks(owner, public_start.Settings(), seed=0)[0] if settings.frozen_statistics else None


def _task(owner: "Owner", settings: Settings, seed: int) -> "TrainingTask":
    training, start = owner.trained_here(), _start(owner, settings)
    options = {**training.options.model_dump(), **settings.replaced(), "seed": training.options.seed + seed}
    return replace(
        training,
        name=f"{training.name} with {', '.join(f'{name} {value}' for name, value in settings.replaced().items())}",
        options=type(training.options)(**options),
        start=training.start if start is None else start.folder,
    )
