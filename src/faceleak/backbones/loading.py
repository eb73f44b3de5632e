"""Saving and loading backbones: weights and head as safetensors, the card as JSON. Never a pickle that runs code."""

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from faceleak.backbones.architectures import ONNX, assumes_eps, is_factory
from faceleak.backbones.card import CARD_VERSION, BackboneCard
from faceleak.backbones.checkpoint import (
    BackboneError,
    adapt,
    check_finite,
    check_sha256,
    listed,
    read_checkpoint,
    sha256_of_file,
)
from faceleak.backbones.recognition import recognize
from faceleak.common.errors import kedro_run
from faceleak.work.checksummed import SealError, check_version, load_arrays, save_arrays
from faceleak.work.compute import seeded
from faceleak.work.tasks import writing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from faceleak.backbones.backbone import Backbone

log = logging.getLogger(__name__)

DESCRIBE = "Name the architecture, normalization, image size and embedding size they were trained with."
FACTORY = "package.module:Class"
ALIKE = 0.5  # share of names that makes an architecture worth mentioning
WEIGHTS, CARD, HEAD = "backbone.safetensors", "backbone.json", "head.safetensors"
ONNX_SUFFIX = ".onnx"
__all__ = ["CARD", "HEAD", "WEIGHTS", "BackboneError", "assemble", "load_backbone", "load_checkpoint", "save_backbone"]


def save_backbone(backbone: "Backbone", folder: Path) -> None:
    """Write weights, card and, where there is one, the head into `folder`, each whole or not at all, the card last."""
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / WEIGHTS) as partial:
        save_arrays(partial, backbone.net.state_dict())
    if backbone.head is None:
        (folder / HEAD).unlink(missing_ok=True)
    else:
        backbone.head.save(folder / HEAD)
    with writing(folder / CARD) as partial:
        partial.write_text(backbone.card.model_dump_json(indent=2) + "\n")


def load_backbone(folder: Path) -> "Backbone":
    """Load what `save_backbone` wrote, in eval mode. Raises BackboneError, or SealError if weights were altered."""
    from faceleak.backbones.head import Head

    card = read_card(folder)
    backbone = assemble(card, load_arrays(folder / WEIGHTS, "pt", delete=folder), str(folder / WEIGHTS))
    if (folder / HEAD).exists():
        backbone.head = Head.load(folder / HEAD, card.embedding_size)
    return backbone


def read_card(folder: Path) -> BackboneCard:
    """Read the card of a saved backbone. Raises BackboneError."""
    path = folder / CARD
    if not path.exists():
        raise BackboneError(f"There is no backbone in {folder} ({CARD} is missing). Run: {kedro_run('target')}")
    try:
        content = json.loads(path.read_text())
        check_version(path, content.get("version"), CARD_VERSION, f"Delete {folder} and make the backbone again.")
        return BackboneCard.model_validate(content)
    except SealError:
        raise
    except (AttributeError, ValueError) as error:  # no text, no JSON, or not the fields of a card
        raise BackboneError(
            f"{path} is not the card of a backbone: {error}. Delete {folder} and make the backbone again."
        ) from error


def load_checkpoint(card: BackboneCard, path: Path | None, sha256: str | None = None) -> "Backbone":
    """Load weights from outside, as `checkpoint.read_checkpoint` and `adapt` take them, in eval mode.

    An ONNX file says itself what network it is; the card then names the file, which has to stay where it is.
    Without `path`, the network comes with its weights.

    sha256: what the file has to have, checked before it is read. Raises BackboneError and FactoryError.
    """
    if path is None:
        net = _fresh(card)
        check_finite(net.state_dict(), card.architecture)
        return _filled(net, card, net.state_dict(), card.architecture)
    if path.suffix == ONNX_SUFFIX:
        described = {"path": str(path), "sha256": sha256 or sha256_of_file(path)}  # compared when it is built
        card = card.model_copy(update={"architecture": ONNX, "arguments": described})
        net = _fresh(card)
        check_finite(net.state_dict(), str(path))
        return _filled(net, card, net.state_dict(), str(path))
    from faceleak.backbones.batch_norm import batch_norms

    if sha256 is not None:
        check_sha256(path, sha256)
    weights = read_checkpoint(path)
    net = _fresh(card)
    if assumes_eps(card) and (layers := batch_norms(net)):
        log.info(
            "%s does not hold BN's eps, as no state dict does: that of %s is assumed, %s (`bn_eps`, beside `weights`, "
            "gives another)",
            path,
            card.architecture,
            " and ".join(f"{eps:g}" for eps in sorted({layer.eps for layer in layers.values()})),
        )
    adapted = adapt(weights, net.state_dict(), card.embedding_size, str(path))
    check_finite(adapted, str(path))
    return _filled(net, card, adapted, str(path), partial(_what_fits, card, weights))


def assemble(card: BackboneCard, weights: "dict[str, Tensor]", origin: str) -> "Backbone":
    """Build the card's architecture and fill it with `weights`. Raises BackboneError listing every key that misfits."""
    return _filled(_fresh(card), card, weights, origin)


def _fresh(card: BackboneCard) -> "nn.Module":
    from faceleak.backbones.architectures import build

    with seeded(0):  # the initial weights are overwritten, and the global generator is not to notice
        return build(card)


def _filled(
    net: "nn.Module",
    card: BackboneCard,
    weights: "dict[str, Tensor]",
    origin: str,
    advise: Callable[[], str] = lambda: DESCRIBE,
) -> "Backbone":
    from faceleak.backbones.architectures import is_from_outside
    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.factories import check_output

    check_keys(net, weights, origin, card.architecture, advise)
    net.load_state_dict(weights)
    backbone = Backbone(net, card).eval()
    if is_from_outside(card.architecture):
        check_output(net, card.preprocessing.canvas.shape, card.embedding_size, card.architecture)
    return backbone


def check_keys(
    net: "nn.Module",
    weights: "Mapping[str, Tensor]",
    origin: str,
    architecture: str,
    advise: Callable[[], str] = lambda: DESCRIBE,
) -> None:
    """Raise BackboneError if names, shapes or kinds of number of `weights` differ from the network's.

    advise: what to do about it, asked for only then.
    """
    own = net.state_dict()
    expected = {name: tuple(tensor.shape) for name, tensor in own.items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    shapes = [f"{n}: {found[n]}, expected {expected[n]}" for n in expected if n in found and found[n] != expected[n]]
    whole = [
        f"{name}: {weights[name].dtype}"
        for name, tensor in own.items()
        if name in found and tensor.is_floating_point() and not weights[name].is_floating_point()
    ]
    findings = {
        "missing": [name for name in expected if name not in found],
        "unexpected": [name for name in found if name not in expected],
        "of another shape": shapes,
        "of whole numbers, as quantization leaves them": whole,
    }
    problems = [f"{len(names):,} {kind} ({listed(names)})" for kind, names in findings.items() if names]
    if problems:
        raise BackboneError(
            f"The weights in {origin} do not fit the architecture {architecture}: {', '.join(problems)}. "
            f"{'Take the float network from before quantization.' if whole else advise()}"
        )


def _what_fits(card: BackboneCard, weights: "Mapping[str, Tensor]") -> str:
    """Which known architecture has the names and shapes of a state dict, and what to do if none has."""
    try:
        found = recognize(weights, card.architecture, card.normalization)
    except BackboneError as error:  # several networks that fit
        return str(error)
    nearest, share = found.nearest, found.share
    own = f"A network of your own goes in by `factory: {FACTORY}`, its class."
    if is_factory(card.architecture):
        own = f"Give {card.architecture} the `arguments` that it was trained with, or name the class of these weights."
    if share < ALIKE:
        return f"No known architecture has such names. {own}"
    if not found.fits and share < 1:
        return f"{nearest} is the nearest of the known architectures, with {share:.0%} of the names. {own}"
    if not found.fits:
        return f"The names are those of {nearest}, but the shapes are not. {DESCRIBE} {own}"
    fit = found.fits[0].card
    height, width = fit.preprocessing.canvas.shape
    return (
        f"They are weights of {nearest}: set `architecture: {nearest}`, `embedding_size: {fit.embedding_size}` and "
        f"the image size of the training in `preprocessing` (shapes fit {height}×{width} pixels)."
    )
