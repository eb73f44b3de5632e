"""The smallest effect that a sample could have shown, which is reported with "no evidence".

An interval at `level` excludes 0.5 with probability `power` where the AUC lies (z_{(1+level)/2} + z_power) standard
errors above it (Cohen, Statistical Power Analysis, 1988), the standard error being that of a sample without effect.
"""

from statistics import NormalDist

import numpy as np

from faceleak.metrics.intervals import Interval
from faceleak.metrics.roc import MetricError

NORMAL = NormalDist()


def smallest_detectable_auc(standard_error: float, level: float = 0.95, power: float = 0.8) -> float:
    """Find the smallest AUC, in 0.5…1, whose interval would have excluded 0.5 with probability `power`.

    standard_error: of the AUC, ≥ 0, from `standard_error_of_interval`. 1 means that this sample can show nothing with
    certainty. Raises MetricError if the standard error is negative or not finite, or level or power are no shares.
    """
    if not (np.isfinite(standard_error) and standard_error >= 0):
        raise MetricError(f"A standard error is a number ≥ 0, found {standard_error}. Look at the interval it is from.")
    if not (0 < level < 1 and 0 < power < 1):
        raise MetricError(f"Level {level} and power {power} must lie between 0 and 1: 80 % is 0.8.")
    needed = NORMAL.inv_cdf((1 + level) / 2) + NORMAL.inv_cdf(power)
    return float(np.clip(0.5 + needed * standard_error, 0.5, 1.0))


def standard_error_of_interval(interval: Interval, level: float = 0.95) -> float:
    """Standard error of a value whose interval at `level` was measured, as if it were normal.

    Use the interval of a value near chance, the attack's own or the blind baseline's: near AUC 1 the spread vanishes.
    """
    return float((interval.high - interval.low) / (2 * NORMAL.inv_cdf((1 + level) / 2)))
