"""Saving and loading backbones: weights and head as safetensors, the card as JSON. Never a pickle that runs code."""

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from faceleak.backbones.card import BackboneCard
from faceleak.compute import seeded
from faceleak.errors import FaceleakError
from faceleak.pieces import writing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from faceleak.backbones.backbone import Backbone

WEIGHTS, CARD, HEAD = "backbone.safetensors", "backbone.json", "head.safetensors"
SHOWN_KEYS = 5


class BackboneError(FaceleakError):
    """A backbone's files are missing, damaged, unsafe, or do not fit its architecture."""


def save_backbone(backbone: "Backbone", folder: Path) -> None:
    """Write weights, card and, where there is one, the head into `folder`, each whole or not at all, the card last."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().contiguous().cpu() for name, tensor in backbone.net.state_dict().items()}
    with writing(folder / WEIGHTS) as partial:
        save_file(weights, partial)
    if backbone.head is None:
        (folder / HEAD).unlink(missing_ok=True)
    else:
        backbone.head.save(folder / HEAD)
    with writing(folder / CARD) as partial:
        partial.write_text(backbone.card.model_dump_json(indent=2) + "\n")


def load_backbone(folder: Path) -> "Backbone":
    """Load what `save_backbone` wrote, in eval mode. Raises BackboneError."""
    from faceleak.backbones.head import Head

    card = read_card(folder)
    backbone = assemble(card, read_weights(folder / WEIGHTS), str(folder / WEIGHTS))
    if (folder / HEAD).exists():
        backbone.head = Head.load(folder / HEAD, card.embedding_size)
    return backbone


def read_card(folder: Path) -> BackboneCard:
    """Read the card of a saved backbone. Raises BackboneError."""
    path = folder / CARD
    if not path.exists():
        raise BackboneError(f"There is no backbone in {folder} ({CARD} is missing). Run: kedro run --pipeline=target")
    try:
        return BackboneCard.model_validate(json.loads(path.read_text()))
    except ValueError as error:  # no text, no JSON, or not the fields of a card
        raise BackboneError(f"{path} is not the card of a backbone: {error}") from error


def read_weights(path: Path) -> "dict[str, Tensor]":
    """Read a state dict from .safetensors, or from .pt/.pth/.ckpt with tensors only. Raises BackboneError."""
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise BackboneError(f"There is no weights file {path}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BackboneError(
            f"{path} holds more than tensors, or is damaged. faceleak does not load it, since a pickle can run code. "
            "Convert it where you trust it: torch.save(model.state_dict(), 'weights.pt')"
        ) from error
    except Exception as error:  # readers of damaged files raise whatever they stumble on
        raise BackboneError(f"{path} is damaged or not a weights file: {error}") from error
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in weights.items()
    ):
        raise BackboneError(
            f"{path} does not hold a plain state dict (names → tensors). Save model.state_dict() alone."
        )
    return weights


def assemble(card: BackboneCard, weights: "dict[str, Tensor]", origin: str) -> "Backbone":
    """Build the card's architecture and fill it with `weights`. Raises BackboneError listing every key that misfits."""
    from faceleak.backbones.architectures import build
    from faceleak.backbones.backbone import Backbone

    with seeded(0):  # the initial weights are overwritten, and the global generator is not to notice
        net = build(card)
    check_keys(net, weights, origin, card.architecture)
    net.load_state_dict(weights)
    return Backbone(net, card).eval()


def check_keys(net: "nn.Module", weights: "dict[str, Tensor]", origin: str, architecture: str) -> None:
    """Raise BackboneError where names or shapes of `weights` differ from the network's."""
    expected = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    shapes = [f"{n}: {found[n]}, expected {expected[n]}" for n in expected if n in found and found[n] != expected[n]]
    findings = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
        "of another shape": shapes,
    }
    problems = [
        f"{len(names)} {kind} ({'; '.join(names[:SHOWN_KEYS])}{'; …' if len(names) > SHOWN_KEYS else ''})"
        for kind, names in findings.items()
        if names
    ]
    if problems:
        raise BackboneError(
            f"The weights in {origin} do not fit the architecture {architecture}: {', '.join(problems)}. "
            "Name the architecture, normalisation, image size and embedding size they were trained with."
        )
