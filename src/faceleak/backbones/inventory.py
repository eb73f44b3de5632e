"""What a backbone consists of, and how it behaves, as far as an audit cares."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from faceleak.backbones.architectures import assumes_eps
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import batch_norms, reading, statistics, with_eps
from faceleak.common.words import counted

PROBES = 4  # images of noise that are passed
NEAR = 10  # times eps: the variance of a channel that eps decides about
EPS_MATTERS = 0.99  # cosine below which an eps that is merely assumed is warned of
SAME_ANSWER = 1e-4  # relative distance of embeddings that differ by rounding alone
SILENT = 1e-3  # of eps: such a channel keeps 3 % of what normalizing would make of it
WORTH_TELLING = 0.1  # of the BN channels


def take_inventory(backbone: Backbone) -> dict[str, Any]:
    """List parameters, BN layers and behavior, as plain numbers and text.

    bn_layers: name, channels, eps, momentum, affine, statistics_trained (not all means 0 and variances 1), in the order
    of definition. flops: of one image, a multiplication and an addition counting two, of matrix products and
    convolutions. measured_embedding_size: numbers that one image gives. deterministic: the same images twice give the
    same bits. batch_difference: largest relative distance between an image's embedding by itself and in a batch, None
    if embeddings are not finite; the backbone is independent_of_batch if it is rounding. noise_spread: largest
    relative distance between embeddings of different images, None likewise. silent_channels: share of the BN channels
    that are dead, None without any. not_finite: names of weights and statistics that hold NaN or infinity. warnings:
    what an auditor should know before reading signals. bn_eps_assumed: the eps is the architecture's since neither
    file nor configuration tells it. eps_cosine: smallest cosine of an embedding of noise to that with twice the eps,
    None without BN and where embeddings are not finite. near_silent_channels: those whose variance is at most 10 eps,
    so that eps decides about them.
    """
    layers = _layers(backbone)
    taken = {
        "architecture": backbone.card.architecture,
        "embedding_size": backbone.card.embedding_size,
        "parameters": sum(parameter.numel() for parameter in backbone.net.parameters()),
        **_behavior(backbone),
        "bn_layers": layers,
        **_eps(backbone),
        "silent_channels": silent_channels(backbone.net),
        "not_finite": _not_finite(backbone.net),
    }
    return taken | {"warnings": _warnings(taken)}


def silent_channels(backbone: nn.Module) -> float | None:
    """Share of the BN channels that are dead: their running variance is next to 0 compared with the layer's eps.

    None without BN layers. Nothing passes such a channel: what enters it is the same for every face.
    """
    silent = [statistics(layer)[1] <= SILENT * layer.eps for layer in batch_norms(backbone).values()]
    return float(torch.cat(silent).float().mean()) if silent else None


def _not_finite(backbone: nn.Module) -> list[str]:
    """Names of weights and statistics that hold NaN or infinite numbers."""
    return [name for name, tensor in backbone.state_dict().items() if not bool(torch.isfinite(tensor).all())]


def _layers(backbone: Backbone) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "channels": layer.num_features,
            "eps": layer.eps,
            "momentum": layer.momentum,
            "affine": layer.affine,
            "statistics_trained": not _initial(layer.running_mean, layer.running_var),
        }
        for name, layer in batch_norms(backbone.net).items()
    ]


def _eps(backbone: Backbone) -> dict[str, Any]:
    layers = batch_norms(backbone.net)
    near = sum(int((statistics(layer)[1] <= NEAR * layer.eps).sum()) for layer in layers.values())
    return {
        "bn_eps_assumed": bool(layers) and assumes_eps(backbone.card),
        "eps_cosine": _eps_cosine(backbone) if layers else None,
        "near_silent_channels": near,
    }


def _eps_cosine(backbone: Backbone) -> float | None:
    faces = _noise(backbone)
    with torch.no_grad(), reading(backbone):
        own = backbone(faces).flatten(1).double()
        with with_eps(backbone.net, lambda eps: 2 * eps):
            moved = backbone(faces).flatten(1).double()
    smallest = float(torch.nn.functional.cosine_similarity(own, moved).min())
    return smallest if math.isfinite(smallest) else None


def _noise(backbone: Backbone) -> Tensor:
    size = (PROBES, 3, *backbone.canvas.shape)
    return torch.rand(size, generator=torch.Generator().manual_seed(0)).to(backbone.mean.device)


def _initial(mean: Tensor | None, variance: Tensor | None) -> bool:
    return mean is None or variance is None or bool((mean == 0).all() and (variance == 1).all())


def _behavior(backbone: Backbone) -> dict[str, Any]:
    from torch.utils.flop_counter import FlopCounterMode

    faces = _noise(backbone)
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
        "noise_spread": _largest_relative_distance(together.flatten(1), together.flatten(1).roll(1, 0)),
        "independent_of_batch": difference is not None and difference <= SAME_ANSWER,
    }


def _largest_relative_distance(rows: Tensor, others: Tensor) -> float | None:
    rows, others = rows.double(), others.double()  # in which no square of a float32 overflows
    length = rows.norm(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    largest = ((rows - others).norm(dim=1) / length).max()
    return float(largest) if torch.isfinite(largest) else None


def faults(backbone: Backbone) -> list[str]:
    """Say what keeps a backbone from telling faces apart, as far as images of noise and its weights show it."""
    silent, damaged = silent_channels(backbone.net), _not_finite(backbone.net)
    return _faults({**_behavior(backbone), "silent_channels": silent, "not_finite": damaged})


def _faults(taken: dict[str, Any]) -> list[str]:
    spread, silent, damaged = taken["noise_spread"], taken["silent_channels"] or 0, taken["not_finite"]
    findings = {
        "Embeddings of noise are NaN or infinite: the weights are damaged or were never trained.": (
            taken["batch_difference"] is None
        ),
        "Embeddings of different images are the same: the network has collapsed, and tells no face from another.": (
            spread is not None and spread <= SAME_ANSWER
        ),
        f"{len(damaged)} weights or statistics hold NaN or infinity ({', '.join(damaged[:5])}): the file is damaged.": (
            bool(damaged)
        ),
        f"{silent:.0%} of the BN channels are dead, their running variance next to 0: nothing of an image passes "
        "them.": silent > WORTH_TELLING,
    }
    return [words for words, found in findings.items() if found]


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
        f"{counted(len(untrained), 'BN layer has', 'BN layers have')} the statistics of a fresh network "
        f"({', '.join(untrained[:5])}), which tell nothing about training images.": bool(untrained),
        _eps_matters(taken): (
            taken["bn_eps_assumed"] and taken["eps_cosine"] is not None and taken["eps_cosine"] < EPS_MATTERS
        ),
        "There is no BN layer with running statistics: signals that start with `bn_` cannot be read.": (
            not taken["bn_layers"]
        ),
    }
    return [*(words for words, found in findings.items() if found), *_faults(taken)]


def _eps_matters(taken: dict[str, Any]) -> str:
    channels = sum(layer["channels"] for layer in taken["bn_layers"])
    eps = ", ".join(f"{eps:g}" for eps in sorted({layer["eps"] for layer in taken["bn_layers"]}))
    cosine, near = taken["eps_cosine"], taken["near_silent_channels"]
    return (
        f"A weights file does not hold BN's eps, {eps} is assumed, and here it matters: {near:,} of {channels:,} "
        f"channels have a variance of {NEAR} times eps or less, and with twice the eps an embedding of noise has a "
        f"cosine of {cosine or 0:.3f} to what it is now. Set target.load.bn_eps to that of the training, usually 2e-5 "
        "where the network comes from MXNet."
    )
