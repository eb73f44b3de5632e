"""Whether people were erased: one score a person in, shares that are still found and a verdict for each person out.

A person is found in a backbone at a false-positive rate if so few of the people whom it never saw score as high: of n
of them, k do and (k + 1) / (n + 1) is at most the rate. A backbone that never saw a person finds them at 5 % in one of
twenty cases; so the share still found is compared with 5 %, and with that of backbones retrained without them.

Intervals resample people by weights (the Bayesian bootstrap: Rubin, 1981), a person for all draws together, since a
small draw would often vanish from resamples of whole people; and draws, of which one less is drawn than there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.erasure.groups import ERASED, NEVER_IN, SCORE_COLUMNS, STAYS
from faceleak.metrics.intervals import (
    Estimator,
    Interval,
    difference,
    enclose,
    estimate_rates,
    factors_of,
    rows_per_block,
    smallest_detectable_auc,
    smallest_detectable_share,
)
from faceleak.metrics.membership import Numbers, named
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import FloatArray, MetricError, WeightArray, auc, non_members_needed, tpr_at_fpr

LEVEL = 0.05  # of verdicts
MINIMUM_POWER = 0.5  # share of the people who stay whom an attack has to find for its silence to say anything
STILL_FOUND = "still_found"
LEVELS = {STILL_FOUND: LEVEL, f"{STILL_FOUND}_at_1pct": 0.01, f"{STILL_FOUND}_at_0.1pct": 0.001}

Verdict = Literal["erased as far as can be told", "still found", "cannot be said"]
Reason = Literal[
    "not found",
    "found",
    "marked",
    "too few images",
    "too few people never in",
    "stands out anyway",
    "not found before",
    "weak attack",
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
GONE, FOUND, UNKNOWN = VERDICTS


@dataclass(frozen=True)
class PersonVerdict:
    """What can be said of one person in one run.

    before, after: false-positive rates at which the target, and the backbone after it, find the person. below: that of
    standing out as low. in_gold: share of the backbones which never saw the person that find them at `LEVEL`, None
    without such. power: share of the people who stay whom the attack finds in this backbone.
    """

    draw: int
    method: str
    seed: int
    attacker: str
    identity: str
    images: int
    before: float
    after: float
    below: float
    in_gold: float | None
    power: float
    verdict: Verdict
    reason: Reason


@dataclass(frozen=True, eq=False)
class Draw:
    """One draw of people, n in all: identities and groups (n,), scores by the target (n,) and after (seeds, n)."""

    identities: NDArray[Any]
    groups: NDArray[Any]
    images: NDArray[np.int64]
    before: FloatArray
    after: FloatArray
    seeds: tuple[int, ...]

    def of(self, group: str) -> NDArray[np.bool_]:
        """Who is of a group (n,)."""
        found: NDArray[np.bool_] = self.groups == group
        return found


def draws_of(scores: pd.DataFrame) -> dict[int, Draw]:
    """The draws of one method and attacker. Raises MetricError if a run lacks people whom another run has."""
    draws = {}
    for number in sorted(scores["draw"].unique().tolist()):
        rows = scores[scores["draw"] == number].sort_values("identity")
        tables = {seed: rows[rows["seed"] == seed] for seed in sorted(rows["seed"].unique().tolist())}
        first, *others = tables.values()
        if any(list(other["identity"]) != list(first["identity"]) for other in others):
            raise MetricError(f"The seeds of draw {number} score different people. Score the same for all of them.")
        for group in (ERASED, STAYS, NEVER_IN):
            if not (first["group"] == group).any():
                raise MetricError(f"Draw {number} has nobody of the group `{group}` to compare with. Score some.")
        draws[number] = Draw(
            first["identity"].to_numpy(),
            first["group"].to_numpy(),
            first["images"].to_numpy(np.int64),
            first["before"].to_numpy(float),
            np.stack([table["after"].to_numpy(float) for table in tables.values()]),
            tuple(tables),
        )
    return draws


def measure_erasure(scores: pd.DataFrame, gold: str | None, options: BootstrapOptions) -> dict[str, dict[str, Numbers]]:
    """Measure every method by every attacker: method → attacker → metric → value.

    scores: `SCORE_COLUMNS`, a row a person, run and attacker. gold: the method whose backbones never saw the erased.

    `still_found` (at 5 %, and `…_at_1pct`, `…_at_0.1pct`) is the share of the erased people who are found; None with
    fewer than `non_members_needed` people never in. `stands_out`: who is found at 5 % in either direction, half of it
    each. `found_before` and `stays_found`: the erased people in the target, and the people who stay in the backbone
    after, both at 5 %. `found_by_both`: the erased people at 5 % by the difference before − after, which takes both
    backbones. `auc`: erased against never in; `auc_to_stays`: erased against those who stay, 0.5 where nothing sets
    them apart. `still_found_over_gold`: less the share that gold finds of the same people. All with intervals.
    `smallest_seen`: the smallest true share, above 5 %, that so many people would have shown with probability 0.8;
    `smallest_auc_seen` likewise. Counts: `people`, `never_in`, `draws`, `seeds`.

    Raises MetricError if a column is missing, a score is not finite or a group is empty.
    """
    if missing := [column for column in SCORE_COLUMNS if column not in scores.columns]:
        raise MetricError(
            f"The scores of erasures lack {', '.join(missing)}. They need {', '.join(SCORE_COLUMNS)}, one row a person."
        )
    tables = {
        (str(method), str(attacker)): draws_of(rows)
        for (method, attacker), rows in scores.groupby(["method", "attacker"], sort=False)
    }
    measured: dict[str, dict[str, Numbers]] = {}
    for (method, attacker), draws in tables.items():
        compared = None if gold in (None, method) else tables.get((str(gold), attacker))
        measured.setdefault(method, {})[attacker] = _measure(draws, compared, options)
    return measured


def _measure(draws: Mapping[int, Draw], gold: Mapping[int, Draw] | None, options: BootstrapOptions) -> Numbers:
    by_draw: list[dict[str, Estimator]] = []
    for number, draw in draws.items():
        of_draw: dict[str, Estimator] = {name: _share(draw, ERASED, draw.after, rate) for name, rate in LEVELS.items()}
        of_draw["stands_out"] = _either(draw)
        of_draw["found_before"] = _share(draw, ERASED, draw.before[None], LEVEL)
        of_draw["stays_found"] = _share(draw, STAYS, draw.after, LEVEL)
        of_draw["found_by_both"] = _share(draw, ERASED, draw.before - draw.after, LEVEL)
        of_draw["auc"] = _auc(draw, NEVER_IN)
        of_draw["auc_to_stays"] = _auc(draw, STAYS)
        if gold is not None and number in gold:
            by_gold = _share(gold[number], ERASED, gold[number].after, LEVEL)
            of_draw[f"{STILL_FOUND}_over_gold"] = difference(of_draw[STILL_FOUND], by_gold)
        by_draw.append(of_draw)
    numbers = named(_intervals(list(draws.values()), by_draw, options))
    people = len({name for draw in draws.values() for name in draw.identities[draw.of(ERASED)]})
    never_in = min(int(draw.of(NEVER_IN).sum()) for draw in draws.values())
    error = np.sqrt((people + never_in + 1) / (12 * people * never_in))  # of an AUC without effect (Mann and Whitney)
    return {
        **numbers,
        "smallest_seen": smallest_detectable_share(people, LEVEL, options.level),
        "smallest_auc_seen": smallest_detectable_auc(float(error), options.level),
        "people": people,
        "never_in": never_in,
        "draws": len(draws),
        "seeds": max(len(draw.seeds) for draw in draws.values()),
    }


def _share(draw: Draw, group: str, scores: FloatArray, rate: float) -> Estimator:
    """The share of a group that scores (runs, n) find among people never in, in the mean over runs."""
    rows = draw.of(group) | draw.of(NEVER_IN)
    is_group = draw.of(group)[rows]

    def estimate(weights: WeightArray | None) -> FloatArray:
        chosen = None if weights is None else weights[:, rows]
        by_run: FloatArray = np.array(
            [tpr_at_fpr(of_run[rows], is_group, rate, chosen) for of_run in scores], dtype=float
        )
        mean: FloatArray = by_run.mean(axis=0)
        return mean

    return estimate


def _either(draw: Draw) -> Estimator:
    """The share of the erased people who stand out in either direction, at `LEVEL` in all."""
    high, low = (_share(draw, ERASED, sign * draw.after, LEVEL / 2) for sign in (1, -1))
    return lambda weights: high(weights) + low(weights)


def _auc(draw: Draw, other: str) -> Estimator:
    rows = draw.of(ERASED) | draw.of(other)
    is_erased = draw.of(ERASED)[rows]

    def estimate(weights: WeightArray | None) -> FloatArray:
        chosen = None if weights is None else weights[:, rows]
        by_run: FloatArray = np.array([auc(of_run[rows], is_erased, chosen) for of_run in draw.after], dtype=float)
        mean: FloatArray = by_run.mean(axis=0)
        return mean

    return estimate


def _intervals(
    draws: Sequence[Draw], by_draw: Sequence[Mapping[str, Estimator]], options: BootstrapOptions
) -> dict[str, Interval]:
    """Enclose the mean over draws of each estimator, at least as widely as so many erased people can show it."""
    people = len({name for draw in draws for name in draw.identities[draw.of(ERASED)]})
    names = [name for name in by_draw[0] if all(name in of_draw for of_draw in by_draw)]
    resampled: dict[str, list[FloatArray]] = {name: [] for name in names}
    for weights in _weights(draws, options):
        for name in names:
            values = [estimate_rates(of[name], own) for of, own in zip(by_draw, weights, strict=True)]
            resampled[name].append(np.stack(values, axis=2))  # (rates, rows, draws)
    count = len(draws)
    generator = np.random.default_rng([options.seed, count])
    drawn = generator.multinomial(max(1, count - 1), np.full(count, 1 / count), size=options.resamples)
    return {
        name: enclose(
            np.mean([estimate_rates(of_draw[name], None)[:, 0] for of_draw in by_draw], axis=0),
            (drawn * np.concatenate(resampled[name], axis=1)).sum(axis=2) / drawn.sum(axis=1),
            factors_of(by_draw[0][name]),
            people,
            options.level,
        )
        for name in names
    }


def _weights(draws: Sequence[Draw], options: BootstrapOptions) -> Iterator[list[FloatArray]]:
    """Blocks of weights (rows, n) of each draw, all above 0, whose mean in each group of a draw is 1."""
    everybody, codes = np.unique(np.concatenate([draw.identities for draw in draws]), return_inverse=True)
    of_draws = np.split(codes, np.cumsum([len(draw.identities) for draw in draws])[:-1])
    generator = np.random.default_rng(options.seed)
    rows = rows_per_block(len(codes))
    for start in range(0, options.resamples, rows):
        of_people = generator.standard_exponential((min(rows, options.resamples - start), len(everybody)))
        weights = list[FloatArray]()
        for draw, own in zip(draws, of_draws, strict=True):
            block = of_people[:, own]
            for group in np.unique(draw.groups):
                members = draw.of(group)
                block[:, members] /= block[:, members].mean(axis=1, keepdims=True)
            weights.append(block)
        yield weights


def false_positive_rates(scores: FloatArray, others: FloatArray) -> FloatArray:
    """The rate at which each of scores (n,) is found among others (m,) who were never in: (k + 1) / (m + 1)."""
    as_high = len(others) - np.searchsorted(np.sort(others), scores, side="left")
    rates: FloatArray = (as_high + 1) / (len(others) + 1)
    return rates


def judge_people(scores: pd.DataFrame, gold: str | None, minimum_images: int) -> list[PersonVerdict]:
    """Say of every erased person in every run, by every attacker, whether they are gone.

    A person is `still found` where the attack finds them at 5 %. Nothing can be said with too few images, or too few
    people never in; of who is found by half of the backbones that never saw them, the run's own left out, or was not
    found in the target; where the attack finds too few of the people who stay; and of who stands out as low (at half of
    5 %), whom the erasure may have marked. Everybody else is erased as far as can be told.
    """
    found: list[PersonVerdict] = []
    tables = {key: draws_of(rows) for key, rows in scores.groupby(["method", "attacker"], sort=False)}
    for (method, attacker), draws in tables.items():
        for number, draw in draws.items():
            golden = tables.get((gold, attacker), {}).get(number)
            for run, seed in enumerate(draw.seeds):
                in_gold = _found_in_gold(golden, -1 if method != gold else run)
                found += _judged(draw, run, in_gold, minimum_images, (number, str(method), seed, str(attacker)))
    return found


def _found_in_gold(gold: Draw | None, own: int) -> FloatArray | None:
    """The share (n,) of gold's backbones, without its run `own`, that find each person."""
    others = [] if gold is None else [scores for run, scores in enumerate(gold.after) if run != own]
    if gold is None or not others:
        return None
    never_in = gold.of(NEVER_IN)
    share: FloatArray = np.mean([false_positive_rates(s, s[never_in]) <= LEVEL for s in others], axis=0)
    return share


def _judged(
    draw: Draw, run: int, in_gold: FloatArray | None, minimum_images: int, key: tuple[int, str, int, str]
) -> list[PersonVerdict]:
    never_in, after = draw.of(NEVER_IN), draw.after[run]
    rates = {
        "before": false_positive_rates(draw.before, draw.before[never_in]),
        "after": false_positive_rates(after, after[never_in]),
        "below": false_positive_rates(-after, -after[never_in]),
    }
    power = float(np.mean(rates["after"][draw.of(STAYS)] <= LEVEL))
    too_few = never_in.sum() < non_members_needed(LEVEL)
    verdicts = []
    for person in np.flatnonzero(draw.of(ERASED)):
        found_before, found_after, below = (float(rate[person]) for rate in rates.values())
        gold = None if in_gold is None else float(in_gold[person])
        images = int(draw.images[person])
        cases: list[tuple[bool, Verdict, Reason]] = [
            (images < minimum_images, UNKNOWN, "too few images"),
            (bool(too_few), UNKNOWN, "too few people never in"),
            (gold is not None and gold >= 0.5, UNKNOWN, "stands out anyway"),
            (found_after <= LEVEL, FOUND, "found"),
            (found_before > LEVEL, UNKNOWN, "not found before"),
            (power < MINIMUM_POWER, UNKNOWN, "weak attack"),
            (below <= LEVEL / 2, UNKNOWN, "marked"),
            (True, GONE, "not found"),
        ]
        verdict, reason = next((verdict, reason) for holds, verdict, reason in cases if holds)
        identity = str(draw.identities[person])
        verdicts.append(
            PersonVerdict(*key, identity, images, found_before, found_after, below, gold, power, verdict, reason)
        )
    return verdicts
