"""What a number of noisy steps costs: Opacus' PRV accountant (Gopi et al., arXiv 2106.02848).

Poisson sampling, Gaussian noise, neighbours that differ by one unit added or removed.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from opacus.accountants import PRVAccountant
from opacus.accountants.utils import get_noise_multiplier

from faceleak.defenses.private.errors import PrivateTrainingError

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
