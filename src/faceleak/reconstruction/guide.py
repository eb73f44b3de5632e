"""What guides a search: a backbone, and the attack of stage 1 that was fitted on signals read off it."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from faceleak.backbones.backbone import Backbone
from faceleak.signals import Need, registry
from faceleak.signals.observation import Observation, observe
from faceleak.work.closure import own


class DifferentiableModel(Protocol):
    """A fitted attack model whose score is differentiable."""

    def logit(self, rows: Tensor) -> Tensor:
        """Rows (n, columns) → scores (n,); higher says member."""
        ...


class Fitted(Protocol):
    """What was fitted: an attack model, or a whole attack."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        ...


@dataclass(frozen=True)
class Guide:
    """`model` was fitted on `signals`, which are read off `backbone`.

    references: backbones of the attacker's own, where the model also takes each number minus its mean over them (the
    calibration `features`).
    """

    backbone: Backbone
    signals: tuple[str, ...]
    model: Fitted
    references: tuple[Backbone, ...] = ()

    @property
    def needs(self) -> frozenset[Need]:
        """What the signals need of a forward pass."""
        return frozenset[Need]().union(*(registry.get_reader(name).needs for name in self.signals))

    @property
    def code(self) -> list[str]:
        """The modules that were looked up by name, by which their code enters keys."""
        return [*map(registry.module, self.signals), *own([type(self.model).__module__])]

    def score(self, faces: Tensor) -> Tensor:
        """Faces (n, 3, h, w) in 0…1 → membership scores (n,), differentiable; higher says member."""
        return self.score_seen(observe(self.backbone, faces, self.needs))

    def score_seen(self, seen: Observation) -> Tensor:
        """The same for faces that the backbone has seen already, with all that is needed of the pass."""
        rows = self._read(seen)
        if self.references:
            others = [self._read(observe(reference, seen.faces, self.needs)) for reference in self.references]
            rows = torch.cat([rows, rows - torch.stack(others).mean(0)], dim=1)
        model: DifferentiableModel = self.model  # type: ignore[assignment]  # configuration.py allows no other
        return model.logit(rows)

    def _read(self, seen: Observation) -> Tensor:
        return torch.cat([registry.get_reader(name).compute(seen) for name in self.signals], dim=1)

    def to(self, device: torch.device) -> "Guide":
        """The same on a device."""
        references = tuple(reference.to(device) for reference in self.references)
        return replace(self, backbone=self.backbone.to(device), references=references)
