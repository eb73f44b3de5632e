"""What a backbone consists of, and how it behaves, as far as an audit cares."""

from typing import Any

import torch
from torch import Tensor

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers, reading

PROBES = 4  # images of noise that are passed
SAME_ANSWER = 1e-4  # relative distance of embeddings that differ by rounding alone


def take_inventory(backbone: Backbone) -> dict[str, Any]:
    """List parameters, BN layers and behaviour, as plain numbers and text.

    bn_layers: name, channels, eps, momentum, affine, statistics_trained (not all means 0 and variances 1), in the order
    of definition. flops: of one image, a multiplication and an addition counting two, of matrix products and
    convolutions. measured_embedding_size: numbers that one image gives. deterministic: the same images twice give the
    same bits. batch_difference: largest relative distance of an image's embedding alone from that in a batch, None
    where embeddings are not finite; the backbone is independent_of_batch where it is rounding. warnings: what an
    auditor should know before reading signals.
    """
    layers = _layers(backbone)
    taken = {
        "architecture": backbone.card.architecture,
        "embedding_size": backbone.card.embedding_size,
        "parameters": sum(parameter.numel() for parameter in backbone.net.parameters()),
        **_behaviour(backbone),
        "bn_layers": layers,
    }
    return taken | {"warnings": _warnings(taken)}


def _layers(backbone: Backbone) -> list[dict[str, Any]]:
    try:
        layers = bn_layers(backbone.net)
    except NoBatchNormError:
        return []
    return [
        {
            "name": name,
            "channels": layer.num_features,
            "eps": layer.eps,
            "momentum": layer.momentum,
            "affine": layer.affine,
            "statistics_trained": not _initial(layer.running_mean, layer.running_var),
        }
        for name, layer in layers.items()
    ]


def _initial(mean: Tensor | None, variance: Tensor | None) -> bool:
    return mean is None or variance is None or bool((mean == 0).all() and (variance == 1).all())


def _behaviour(backbone: Backbone) -> dict[str, Any]:
    from torch.utils.flop_counter import FlopCounterMode

    size = (PROBES, 3, *backbone.canvas.shape)
    faces = torch.rand(size, generator=torch.Generator().manual_seed(0)).to(backbone.mean.device)
    with torch.no_grad(), reading(backbone):
        with FlopCounterMode(display=False) as counter:
            first = backbone(faces[:1])
        together, again = backbone(faces), backbone(faces)
        alone = torch.cat([first, *(backbone(face[None]) for face in faces[1:])])
    difference = _largest_relative_distance(alone.flatten(1), together.flatten(1))
    return {
        "measured_embedding_size": first[0].numel(),
        "flops": counter.get_total_flops(),
        "deterministic": torch.equal(together, again),
        "batch_difference": difference,
        "independent_of_batch": difference is not None and difference <= SAME_ANSWER,
    }


def _largest_relative_distance(rows: Tensor, others: Tensor) -> float | None:
    rows, others = rows.double(), others.double()  # in which no square of a float32 overflows
    length = rows.norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    largest = ((rows - others).norm(dim=1) / length).max()
    return float(largest) if torch.isfinite(largest) else None


def _warnings(taken: dict[str, Any]) -> list[str]:
    stated, measured = taken["embedding_size"], taken["measured_embedding_size"]
    untrained = [layer["name"] for layer in taken["bn_layers"] if not layer["statistics_trained"]]
    findings = {
        f"The card states {stated} numbers an embedding, the network gives {measured}.": stated != measured,
        "The same images give other embeddings each time: something draws at random also in eval mode.": (
            not taken["deterministic"]
        ),
        "An image has another embedding in a batch than alone, so scores depend on what is read with it.": (
            taken["batch_difference"] is not None and not taken["independent_of_batch"]
        ),
        "Embeddings of noise are NaN or infinite: the weights are damaged or were never trained.": (
            taken["batch_difference"] is None
        ),
        f"{len(untrained)} BN layers have the statistics of a fresh network ({', '.join(untrained[:5])}): they tell "
        "nothing about training images.": bool(untrained),
        "There is no BN layer with running statistics: signals that start with `bn_` cannot be read.": (
            not taken["bn_layers"]
        ),
    }
    return [words for words, found in findings.items() if found]
