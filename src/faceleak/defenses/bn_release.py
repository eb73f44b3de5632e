"""Running statistics released with (ε, δ)-differential privacy for a person with all their images.

The Gaussian mechanism, its noise calibrated exactly (Balle and Wang, arXiv 1805.06530, theorem 8). A person
contributes, for each channel of each BN layer, the mean of a = (v − μ)/√b and of a² − 1 over their images and the
positions, with v the layer's input and μ and b the statistics of public faces; all layers together are clipped in L2.
Neighbors differ in whether the images of one person take part; the number of people is public.

Activations are read behind public statistics: those stored are averages over all members, and through them one person
would reach into the contributions of everybody else. Nothing is claimed for the weights, which were trained on the same
people: their holder re-estimates the statistics. The claim also needs a seed that nobody else knows.
"""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from faceleak.common.options import Options

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from faceleak.backbones.backbone import Backbone
    from faceleak.defenses.owner import Owner
    from faceleak.faces.store import FaceStore
    from faceleak.work.compute import ComputeOptions

BYPASSES = ("bn_reestimation",)
PEOPLE_AT_ONCE = 64
SMALLEST_VARIANCE = 0.1  # that noise may leave, relative to the public one


class Settings(Options):
    """How private the released statistics are."""

    epsilon: float = Field(gt=0, allow_inf_nan=False)
    """The ε of (ε, δ) for a person with all images."""
    delta: float | None = Field(None, gt=0, lt=1)
    """The δ of (ε, δ) for a person with all images; without it, 1 / (10·people)."""
    clipping: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Largest L2 norm of a contribution; a channel's scale is 1."""


def defend(owner: "Owner", settings: Settings, seed: int) -> "Backbone":
    """Release noisy statistics in a copy, with the claim under `privacy` in the training of its card.

    Raises DefenseError if the members are not at hand, NoBatchNormError, and ReestimationError with fewer than two
    public faces.
    """
    training = owner.trained_here()
    people = training.images["identity"].nunique()
    delta = settings.delta or 1 / (10 * people)
    multiplier = noise_multiplier(settings.epsilon, delta)
    defended = owner.with_public_statistics()
    total = clipped_sum(defended, training.store, training.images, settings.clipping, owner.compute)
    noise = np.random.default_rng(seed).standard_normal(len(total))
    _move(defended, (total + multiplier * settings.clipping * noise) / people)
    claim = {
        "epsilon": settings.epsilon,
        "delta": delta,
        "unit": "identity",
        "about": "bn_statistics",
        "covers": "the BN statistics only, not the weights",
        "neighbors": "the images of one person take part or not; the number of people is public",
        "mechanism": "Gaussian (1805.06530)",
        "noise_multiplier": multiplier,
        "clipping": settings.clipping,
    }
    defended.card = defended.card.model_copy(update={"training": {**defended.card.training, "privacy": claim}})
    return defended


def clipped_sum(
    public: "Backbone", store: "FaceStore", images: "pd.DataFrame", clipping: float, compute: "ComputeOptions"
) -> "NDArray[np.float64]":
    """Sum of all people's clipped contributions: for each layer of `public`, all means, then all second moments.

    Taking a person (`identity`) out of `images` changes it by no more than `clipping` in L2. Raises NotFiniteError.
    """
    from faceleak.backbones.embedding import read_faces

    images = images.sort_values(["identity", "image_id"])
    identities = images["identity"].unique()
    total: NDArray[np.float64] = np.zeros(1)
    for start in range(0, len(identities), PEOPLE_AT_ONCE):
        chosen = images[images["identity"].isin(identities[start : start + PEOPLE_AT_ONCE])]
        rows = read_faces(_contributions, public, store, chosen["image_id"], compute, "Reading people's statistics")
        firsts = np.flatnonzero(~chosen["identity"].duplicated())
        counts = np.diff([*firsts, len(rows)])[:, None]
        of_people = np.add.reduceat(rows.astype(np.float64), firsts) / counts
        norms = np.linalg.norm(of_people, axis=1, keepdims=True)
        total = total + (of_people * np.minimum(1, clipping / np.maximum(norms, 1e-12))).sum(0)
    return total


def _contributions(public: "Backbone", faces: "Tensor") -> "Tensor":
    from torch import cat
    from torch.nn.modules.batchnorm import _BatchNorm

    from faceleak.backbones.batch_norm import bn_layers, layer_inputs, statistics
    from faceleak.signals.observation import spatial_moments

    def summarize(layer: _BatchNorm, inputs: "Tensor") -> "Tensor":
        center, variance = statistics(layer)
        mean, square = spatial_moments(inputs)
        moved, scale = mean - center, (variance + layer.eps).sqrt()
        own_variance = (square - mean**2).clamp_min(0)
        return cat([moved / scale, (own_variance + moved**2) / scale**2 - 1], dim=1)

    layers = bn_layers(public.net)
    with layer_inputs(layers, summarize) as seen:
        public.net(public.preprocess(faces))
    return cat([seen[name] for name in layers], dim=1)


def _move(public: "Backbone", average: "NDArray[np.float64]") -> None:
    """Set the statistics to those of which `average` are the means and second moments."""
    from torch import from_numpy

    from faceleak.backbones.batch_norm import bn_layers, statistics

    start = 0
    for layer in bn_layers(public.net).values():
        mean, variance = statistics(layer)
        moved, second = from_numpy(average[start : start + 2 * len(mean)]).to(mean.device).chunk(2)
        start += 2 * len(mean)
        scaled = variance.double() + layer.eps
        mean += moved * scaled.sqrt()
        variance.copy_((scaled * (1 + second - moved**2)).maximum(SMALLEST_VARIANCE * variance))


def noise_multiplier(epsilon: float, delta: float) -> float:
    """Smallest standard deviation of Gaussian noise that gives (ε, δ) to a sum of sensitivity 1."""
    from scipy.optimize import brentq

    log_deviation: float = brentq(lambda log: delta_of(epsilon, np.exp(log)) - delta, -15, 35, xtol=1e-12)
    return float(np.exp(log_deviation)) * (1 + 1e-9)  # never on the wrong side by rounding


def delta_of(epsilon: float, deviation: float) -> float:
    """Smallest δ that noise of this standard deviation gives for ε and sensitivity 1 (theorem 8 of 1805.06530)."""
    from scipy.special import log_ndtr

    apart, shifted = 1 / (2 * deviation), epsilon * deviation
    return float(np.exp(log_ndtr(apart - shifted)) - np.exp(epsilon + log_ndtr(-apart - shifted)))
