"""Checks that the accountant's ε holds: each raises a ClaimError."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from opacus.accountants import PRVAccountant
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.defenses.private.errors import BufferMovedError, PrivateStartError, SamplingError
from faceleak.defenses.private.sampling import DrawRecord, PoissonSampler

IMPOSSIBLE = 1e-9  # probability below which what was drawn is no Poisson sample


def check_start(start: Mapping[str, Any], public: pd.DataFrame, private: pd.DataFrame, private_hash: str) -> None:
    """Refuse a start that was trained on private images or people.

    start: `training` of its card. public, private: identity and sha256 of what start and target are trained on.
    """
    images = len(set(public["sha256"]) & set(private["sha256"]))
    people = len(set(public["identity"]) & set(private["identity"]))
    if images or people or _trained_on(start, private_hash):
        found = f"shares {images} images and {people} people with" if images or people else "was trained on"
        raise PrivateStartError(
            f"The start of private training {found} the target's private data, without protection. ε would cover what "
            "the private steps add, and not what the start gave away before them. Start from public people only: "
            "keep the roles `public` and `member` apart."
        )


def _trained_on(training: Mapping[str, Any], data_hash: str) -> bool:
    before = training.get("start")
    return training.get("data_hash") == data_hash or (isinstance(before, Mapping) and _trained_on(before, data_hash))


def check_modes(net: nn.Module) -> None:
    """Refuse a net in which images of one batch reach each other, or statistics learn."""
    learning = [name for name, layer in net.named_modules() if isinstance(layer, _BatchNorm) and layer.training]
    if learning:
        raise BufferMovedError(
            f"{len(learning)} BN layers are in train mode: each image's gradient would depend on the others of its "
            "batch, and the running statistics would follow the private data past clipping and noise. Put BN layers "
            "into eval mode during private training."
        )


def check_buffers(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    """Refuse buffers (by name, without parameters) that are not equal to the bit."""
    moved = [name for name in before if name not in after or not torch.equal(before[name].cpu(), after[name].cpu())]
    moved += [name for name in after if name not in before]
    if moved:
        raise BufferMovedError(
            f"{len(moved)} of {len(before)} buffers changed during private training (first {moved[0]}). They are "
            "released with the weights, and were computed on private data without clipping or noise, so ε does not "
            "cover them. Freeze BN statistics, or take them from public data."
        )


def buffers_of(net: nn.Module) -> dict[str, Tensor]:
    """Copies of all buffers by name, those that are not saved too."""
    return {name: tensor.detach().clone() for name, tensor in net.named_buffers()}


def check_sampling(record: DrawRecord, sampler: object, accountant: PRVAccountant, units: int, steps: int) -> None:
    """Refuse draws that are not what the accountant has counted.

    The sampler has to be a PoissonSampler with the accountant's rate over all units; each step is counted once; and
    what was drawn has to look like it: the number of draws, the spread of the sizes, and the spread of how often each
    unit was drawn. Batches of one size, and shuffled batches that draw each unit once an epoch, spread too little.
    """
    if type(sampler) is not PoissonSampler or sampler.units != units:
        raise _not_poisson(f"the sampler is a {type(sampler).__name__}, and no PoissonSampler over all {units} units")
    counted = {rate for _, rate, _ in accountant.history}
    if counted != {sampler.rate}:
        raise _not_poisson(
            f"the accountant has counted the rates {sorted(counted)}, and the sampler's is {sampler.rate}"
        )
    times = sum(number for _, _, number in accountant.history)
    if not times == len(record.sizes) == steps:
        raise _not_poisson(f"{steps} steps were planned, {len(record.sizes)} were drawn and {times} counted")
    check_draws(np.array(record.sizes), record.times_drawn.numpy(), sampler.rate)


def check_draws(sizes: NDArray[np.int64], times_drawn: NDArray[np.int64], rate: float) -> None:
    """Refuse sizes (steps,) and times drawn (units,) that Poisson sampling gives with a probability below 1e-9."""
    from scipy.stats import binom

    steps, units = len(sizes), len(times_drawn)
    if rate >= 1:
        if int(sizes.sum()) != steps * units:
            raise _not_poisson("at a rate of 1 every step draws every unit, and some drew fewer")
        return
    total, drawn = binom(steps * units, rate), int(sizes.sum())
    if 2 * min(total.cdf(drawn), total.sf(drawn - 1)) < IMPOSSIBLE:
        raise _not_poisson(f"{drawn} units were drawn in all, and {steps * units * rate:.0f} are expected")
    for values, trials, what in ((sizes, units, "sizes of the batches"), (times_drawn, steps, "times a unit is drawn")):
        few, many = _spread_probabilities(values, trials, rate)
        if min(few, many) < IMPOSSIBLE:
            raise _not_poisson(f"the {what} vary {'less' if few < many else 'more'} than independent draws do")


def _spread_probabilities(values: NDArray[np.int64], trials: int, rate: float) -> tuple[float, float]:
    """Probability that as many binomial numbers spread as little, or as much, around their mean as these do.

    Their χ² statistic is scaled to the variance that it has for binomial numbers. Few values on few steps are often
    equal by chance: the probability of that, too, bounds the first.
    """
    from scipy.stats import binom, chi2

    variance = trials * rate * (1 - rate)
    statistic = float(((values - trials * rate) ** 2).sum() / variance)
    stretch = 2 / (2 + (1 - 6 * rate * (1 - rate)) / variance)
    spread = chi2(len(values) * stretch)
    likeliest = binom(trials, rate).pmf(math.floor((trials + 1) * rate))
    return max(float(spread.cdf(statistic * stretch)), float(likeliest) ** len(values)), float(
        spread.sf(statistic * stretch)
    )


def _not_poisson(finding: str) -> SamplingError:
    return SamplingError(
        f"Units were not drawn as the accountant assumes: {finding}. It counts Poisson sampling, each unit by itself "
        "at every step; for any other sampling ε is another, and mostly larger. Draw with PoissonSampler."
    )
