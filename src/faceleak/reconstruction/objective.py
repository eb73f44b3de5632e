"""What stage 2 climbs: the membership score of stage 1, read through the backbone on generated faces."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from faceleak.backbones.backbone import Backbone
from faceleak.membership.attack_models import AttackModel
from faceleak.signals import registry

Score = Callable[[Tensor], Tensor]


def membership_score(backbone: Backbone, signals: Sequence[str], model: AttackModel) -> Score:
    """Faces (n, 3, h, w) in 0…1 → membership scores (n,), differentiable; higher says member."""
    readers = [registry.get(name).read for name in signals]
    backbone = backbone.requires_grad_(False)

    def score(faces: Tensor) -> Tensor:
        return model.logit(torch.cat([read(backbone, faces) for read in readers], dim=1))

    return score
