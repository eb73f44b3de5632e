"""Timing two things in turn, so that a drifting machine does not decide which of them is faster."""

import statistics
import time
from collections.abc import Callable


def seconds(function: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median_ratio(candidate: Callable[[], object], baseline: Callable[[], object], rounds: int = 31) -> float:
    """Median of candidate time / baseline time over `rounds` pairs, after three pairs to warm up."""
    ratios = [seconds(candidate) / seconds(baseline) for _ in range(rounds + 3)]
    return statistics.median(ratios[3:])
