"""The ε of a number of noisy steps, and the claim of privacy in the card of a released backbone.

The cost is that of Opacus' PRV accountant (Gopi et al., arXiv 2106.02848): Poisson sampling, Gaussian noise, neighbors
that differ by one unit added or removed. The claim has numbers, and what they are about in words.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from opacus.accountants import PRVAccountant
from opacus.accountants.utils import get_noise_multiplier

from faceleak.defenses.private.errors import PrivateTrainingError
from faceleak.defenses.private.settings import PrivateSettings, Unit

PRECISION = 1 / 200  # of ε; what is reported is an upper bound
FINEST = 1e-3  # time and memory grow with its inverse
DELTA_SHARE = 10


def default_delta(units: int) -> float:
    """One tenth of 1/units: at 1/units, giving away one unit whole would count as private."""
    return 1 / (DELTA_SHARE * units)


@cache
def noise_multiplier(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """Least σ (noise in units of the clipping norm) that keeps (ε, δ) over all steps. Raises PrivateTrainingError."""
    try:
        with _quiet():
            sigma: float = get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=rate,
                steps=steps,
                accountant="prv",
                epsilon_tolerance=_tolerance(epsilon),
                eps_error=_tolerance(epsilon),
            )
    except (ValueError, RuntimeError, MemoryError) as error:
        raise PrivateTrainingError(
            f"No noise keeps ε = {epsilon:g} at δ = {delta:g} over {steps} steps with sampling rate {rate:.3g}: "
            f"{error} Raise epsilon, or lower steps or units_per_step."
        ) from error
    return sigma


def epsilon_spent(accountant: PRVAccountant, delta: float) -> float:
    """ε at δ after the steps that the accountant has seen: an upper bound, 0 before the first step."""
    if not accountant.history:
        return 0.0
    with _quiet():
        rough: float = accountant.get_epsilon(delta, eps_error=0.1)
        spent: float = accountant.get_epsilon(delta, eps_error=_tolerance(rough))
    if not math.isfinite(spent):
        raise PrivateTrainingError(f"The accountant finds ε = {spent} at δ = {delta:g}: its numbers do not hold here.")
    return spent


def _tolerance(epsilon: float) -> float:
    return max(epsilon * PRECISION, FINEST)


@contextmanager
def _quiet() -> Iterator[None]:
    """Rényi orders at their edge only widen the range of the numbers: no loss, and no warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is the")
        yield


WHOM: dict[Unit, str] = {"image": "one image", "identity": "all images of one person"}


def describe(
    settings: PrivateSettings, epsilon: float, delta: float, sample_rate: float, noise_multiplier: float
) -> dict[str, Any]:
    """The block `privacy` of the card's `training`."""
    return {
        "about": "backbone",
        "epsilon": epsilon,
        "delta": delta,
        "unit": settings.unit,
        "adjacency": "one unit added or removed",
        "accountant": "prv",
        "sampling": "poisson",
        "sample_rate": sample_rate,
        "steps": settings.steps,
        "noise_multiplier": noise_multiplier,
        "clipping_norm": settings.clipping_norm,
        "seed": "secret" if settings.secret_seed else "known",
        "covers": (
            f"The weights of the released backbone: with or without {WHOM[settings.unit]}, any outcome of training is "
            f"at most e^{epsilon:.3g} times as likely, up to a probability of {delta:.3g}."
        ),
        "does_not_cover": _not_covered(settings),
    }


def _not_covered(settings: PrivateSettings) -> list[str]:
    gaps = [
        "The public people: the start, and all BN statistics, come from them without protection.",
        "The number of units and of people, which is assumed to be public, and settings that were chosen by looking at "
        "results on the private data.",
        "This card's data_hash and number of images, and anything else that is released about the same images.",
        "The head, which was trained with the same protection and is not released.",
        "People who occur under two identities, or in the public images under another file.",
    ]
    if settings.unit == "image":
        gaps.append("A person as a whole: with k images, ε holds k times over (group privacy), and δ grows more.")
    if not settings.secret_seed:
        gaps.append("Anyone who knows the seed: it gives the noise away. Set secret_seed for a release.")
    return gaps
