"""What guides a search: a backbone, and the attack of stage 1 that was fitted on signals read off it.

A scorer gives gradients, or scores alone: then any attack on single images will do, also one that sees embeddings. One
that knows nothing of the target shows what the same search finds by the prior and the known people alone.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, reestimate
from faceleak.faces.store import FaceStore
from faceleak.membership.attacks import code_of, fit_attack
from faceleak.membership.inputs import AttackInput, aligned
from faceleak.membership.options import AttackOptions
from faceleak.reconstruction.optimizers import registry as optimizers
from faceleak.signals import Need, registry
from faceleak.signals.observation import Observation, observe
from faceleak.signals.reading import read_signals, signal_table
from faceleak.work.closure import own
from faceleak.work.compute import ComputeOptions, seeded

if TYPE_CHECKING:
    from faceleak.membership.attacks import Attack


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
class Scorer:
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

    def to(self, device: torch.device) -> "Scorer":
        """The same on a device."""
        references = tuple(reference.to(device) for reference in self.references)
        return replace(self, backbone=self.backbone.to(device), references=references)


class ScoreOnlyScorer(Scorer):
    """`model` is the whole attack, with its calibration; no reference saw the people that are drawn."""

    def score_seen(self, seen: Observation) -> Tensor:
        """Membership scores (n,) of faces that the backbone has seen already; no gradient reaches the faces."""
        with torch.inference_mode():
            own = self._table(seen, self.backbone)
            others = [self._table(observe(one, seen.faces, self.needs), one) for one in self.references]
        images = pd.DataFrame({"identity": np.arange(len(own)), "is_member": False})
        attack: Attack = self.model  # type: ignore[assignment]  # a whole attack, as `make_scorer` gives it
        scores = attack.score(AttackInput(images, own, others, np.ones((len(own), len(others)), bool)))
        return torch.from_numpy(scores).to(seen.faces)

    @property
    def code(self) -> list[str]:
        """The modules that were looked up by name, by which their code enters keys."""
        attack: Attack = self.model  # type: ignore[assignment]
        return [*super().code, *code_of([attack.options])]

    def _table(self, seen: Observation, backbone: Backbone) -> pd.DataFrame:
        readers = [registry.get_reader(name) for name in self.signals]
        tables = [signal_table(reader, backbone, reader.compute(seen).float().cpu().numpy()) for reader in readers]
        return pd.concat(tables, axis=1)


def make_scorer(
    backbone: Backbone, attack: "Attack", references: tuple[Backbone, ...], takes_gradients: bool
) -> Scorer:
    """Guide an optimizer by an attack that was fitted on what this backbone, or one like it, shows."""
    if takes_gradients:
        return Scorer(backbone, tuple(attack.options.signals), attack.model, references)
    return ScoreOnlyScorer(backbone, tuple(sorted(attack.options.signals_read())), attack, references)


def untrained(
    target: Backbone, store: FaceStore, public: Iterable[str], seed: int, compute: ComputeOptions
) -> Backbone:
    """The target's architecture with fresh weights, and the BN statistics of `public` faces where it has BN layers.

    Works for any network, also one that comes with its weights. Raises ReestimationError with fewer than two faces.
    """
    fresh = deepcopy(target)
    fresh.head = None
    with seeded(seed):
        for module in fresh.modules():
            _reset(module)
    try:
        return reestimate(fresh, store, public, compute)
    except NoBatchNormError:
        return fresh


def _reset(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for parameter in module.parameters(recurse=False):
        nn.init.normal_(parameter, std=parameter.shape[1:].numel() ** -0.5)


def fit_scorer(
    backbone: Backbone,
    references: Sequence[Backbone],
    store: FaceStore,
    images: pd.DataFrame,
    options: AttackOptions,
    compute: ComputeOptions,
    optimizer: str,
) -> Scorer:
    """Fit the attack on what `backbone` shows of these images: image_id, identity and is_member (of the target).

    references: those that the attack is calibrated by, none of which saw these people. optimizer: whom it will guide.
    Raises AttackFitError where the images do not suffice.
    """
    labels = images[["image_id", "identity", "is_member"]].reset_index(drop=True)
    own, *others = (
        aligned(labels, read_signals(sorted(options.signals_read()), one, store, images, compute))
        for one in (backbone, *references)
    )
    inputs = AttackInput(labels, own, others, np.ones((len(labels), len(others)), bool))
    attack = fit_attack([inputs], options, with_threshold=False)
    return make_scorer(backbone, attack, tuple(references), optimizers.get(optimizer).TAKES_GRADIENTS)
