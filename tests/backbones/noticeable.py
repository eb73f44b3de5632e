"""Backbones whose BN layers cannot be overlooked."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard
from faceleak.work.compute import seeded


def noticeable(card: BackboneCard) -> Backbone:
    """An untrained backbone with statistics, scales and shifts that are not to be overlooked in any BN layer."""
    with seeded(0):
        net = build(card)
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                module.running_mean.normal_(0, 0.5)
                module.running_var.uniform_(0.3, 3)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.7)
    return Backbone(net, card).eval()
