"""BN replaced by group normalisation (arXiv 1803.08494), and a short training on the members that mends the difference.

All weights are taken over, scales and shifts too; the statistics are dropped. What the weights have learnt stays, and
whoever holds them measures, with faces of their own, at the places where BN was.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.options import Options

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.training import TrainingPiece
    from faceleak.defenses.owner import Owner

UNDOINGS = ("bn_insertion", "finetuning")


class Settings(Options):
    """`epochs`: of training after the replacement."""

    epochs: int = Field(ge=0)


def pieces(owner: "Owner", settings: Settings, seed: int) -> "list[TrainingPiece]":
    """The training, whose start is written into the cache. Raises DefenseError and NoBatchNormError."""
    training = owner.trained_here()
    options = training.options.model_copy(
        update={
            "epochs": settings.epochs,
            "normalisation": "group",
            "frozen_statistics": False,
            "seed": training.options.seed + seed,
        }
    )
    return [replace(training, name=f"{training.name} with group normalisation", options=options, start=_start(owner))]


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Train, or take what was trained. Raises DefenseError, NoBatchNormError and TrainingError."""
    from faceleak.backbones.training import train_backbones

    return train_backbones(pieces(owner, settings, seed), owner.compute)[0]


def _start(owner: "Owner") -> Path:
    from faceleak.backbones.loading import CARD, save_backbone
    from faceleak.pieces import code_version, fingerprint

    target = owner.backbone
    name = fingerprint(target.network_hash(), target.card, code_version(__name__))
    folder = owner.compute.cache / "group_norm" / name
    if not (folder / CARD).exists():
        save_backbone(with_group_norm(target), folder)
    return folder


def with_group_norm(backbone: "Backbone") -> "Backbone":
    """Return a copy in eval mode with group normalisation in place of BN. Raises NoBatchNormError."""
    from faceleak.backbones.architectures import build
    from faceleak.backbones.batch_norm import bn_layers
    from faceleak.backbones.loading import assemble
    from faceleak.compute import seeded

    bn_layers(backbone.net)
    card = backbone.card.model_copy(update={"normalisation": "group"})
    with seeded(0):  # only the names of the weights are needed
        names = build(card).state_dict().keys()
    weights = {name: tensor.detach() for name, tensor in backbone.net.state_dict().items() if name in names}
    return assemble(card, weights, "the target with BN")
