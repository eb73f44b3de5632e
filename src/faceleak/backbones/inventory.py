"""What a backbone consists of, as far as an audit cares."""

from typing import Any

import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers


def take_inventory(backbone: Backbone) -> dict[str, Any]:
    """List parameters and BN layers (name, channels, eps, momentum, affine, whether statistics look trained)."""
    try:
        layers = bn_layers(backbone.net)
    except NoBatchNormError:
        layers = {}
    return {
        "architecture": backbone.card.architecture,
        "embedding_size": backbone.card.embedding_size,
        "parameters": sum(parameter.numel() for parameter in backbone.net.parameters()),
        "bn_layers": [
            {
                "name": name,
                "channels": layer.num_features,
                "eps": layer.eps,
                "momentum": layer.momentum,
                "affine": layer.affine,
                "statistics_trained": not _initial(layer.running_mean, layer.running_var),
            }
            for name, layer in layers.items()
        ],
    }


def _initial(mean: torch.Tensor | None, variance: torch.Tensor | None) -> bool:
    return mean is None or variance is None or bool((mean == 0).all() and (variance == 1).all())
