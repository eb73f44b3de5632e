"""A guide that knows nothing of the target: what the same search finds by the prior and the known people alone."""

from collections.abc import Iterable, Sequence
from copy import deepcopy

import numpy as np
import pandas as pd
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, reestimate
from faceleak.faces.store import FaceStore
from faceleak.membership.attacks import fit_attack
from faceleak.membership.evidence import Evidence, aligned
from faceleak.membership.options import AttackOptions
from faceleak.reconstruction.guide import Guide
from faceleak.reconstruction.optimizers import registry as optimizers
from faceleak.reconstruction.score_guide import make_guide
from faceleak.signals.reading import read_signals
from faceleak.work.compute import ComputeOptions, seeded


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


def fit_guide(
    backbone: Backbone,
    references: Sequence[Backbone],
    store: FaceStore,
    images: pd.DataFrame,
    options: AttackOptions,
    compute: ComputeOptions,
    optimizer: str,
) -> Guide:
    """Fit the attack on what `backbone` shows of these images: image_id, identity and is_member (of the target).

    references: those that the attack is calibrated by, none of which saw these people. optimizer: whom it will guide.
    Raises AttackFitError where the images do not suffice.
    """
    labels = images[["image_id", "identity", "is_member"]].reset_index(drop=True)
    own, *others = (
        aligned(labels, read_signals(sorted(options.signals_read()), one, store, images, compute))
        for one in (backbone, *references)
    )
    evidence = Evidence(labels, own, others, np.ones((len(labels), len(others)), bool))
    attack = fit_attack([evidence], options, with_threshold=False)
    return make_guide(backbone, attack, tuple(references), optimizers.get(optimizer).TAKES_GRADIENTS)
