"""What guides a search: a backbone, and the attack of stage 1 that was fitted on signals read off it."""

from dataclasses import dataclass

from faceleak.backbones.backbone import Backbone
from faceleak.membership.models.logistic import LogisticModel


@dataclass(frozen=True)
class Guide:
    """`model` was fitted on `signals`, which are read off `backbone`."""

    backbone: Backbone
    signals: tuple[str, ...]
    model: LogisticModel
