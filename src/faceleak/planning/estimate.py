"""Hours, disk and memory from works and rates: by kind, by pipeline, and in all."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from faceleak.planning.rates import Rate, Rates, is_of_workers
from faceleak.planning.work import Cost, Work

ATTACK = ("faces", "attack")  # the pipelines that `kedro run --pipelines=attack` holds


@dataclass(frozen=True)
class Line:
    """All tasks of one kind: seconds of the clock and of the cores for the missing ones, bytes, and where from."""

    pipeline: str
    kind: str
    tasks: int
    there: int
    kept: bool
    seconds: float
    cpu_seconds: float
    disk: float
    memory: float
    units: dict[str, float]


@dataclass(frozen=True)
class Total:
    """What one pipeline takes with all that it needs."""

    seconds: float
    cpu_seconds: float
    disk: float
    memory: float


def makespan(durations: Iterable[float], workers: int) -> float:
    """How long so many workers take that each begin the next task, in order, as soon as they are free."""
    free_at = [0.0] * workers
    for duration in durations:
        heapq.heappush(free_at, heapq.heappop(free_at) + duration)
    return max(free_at)


def lines(works: Sequence[Work], rates: Rates, workers: int) -> list[Line]:
    """One line a kind, in order. The time of a pool is shared out to its kinds by what their tasks take."""
    spans = {pool: _span(of_pool, rates, workers) for pool, of_pool in _pools(works).items()}
    grouped: dict[tuple[str, str], list[Work]] = {}
    for work in works:
        grouped.setdefault((work.pipeline, work.kind), []).append(work)
    return [_line(alike, spans, rates, workers) for alike in grouped.values() if any(work.tasks for work in alike)]


def totals(found: Sequence[Line], memory_of_driver: float) -> dict[str, Total]:
    """What `attack` and the whole audit take: memory is the most that a kind needs with all tables before it."""
    of_attack = [line for line in found if line.pipeline in ATTACK]
    return {"attack": _total(of_attack, memory_of_driver), "audit": _total(found, memory_of_driver)}


def as_tree(found: Sequence[Line], total: Mapping[str, Total]) -> dict[str, Any]:
    """Plain data for JSON."""
    return {"lines": [asdict(line) for line in found], "totals": {name: asdict(one) for name, one in total.items()}}


def _pools(works: Sequence[Work]) -> dict[tuple[str, str], list[Work]]:
    pools: dict[tuple[str, str], list[Work]] = {}
    for work in works:
        if work.pool and work.missing:
            pools.setdefault((work.pipeline, work.pool), []).append(work)
    return pools


def _rate(work: Work, cost: Cost, rates: Rates) -> Rate:
    return (rates.by_workers if is_of_workers(work, cost) else rates.by_driver)[cost.quantity.name]


def _seconds(work: Work, rates: Rates, workers: int) -> float:
    """Of one task, by the clock."""
    return sum(_clock(cost, _of(_rate(work, cost, rates), cost.units), rates, workers) for cost in work.costs)


def _clock(cost: Cost, alone: float, rates: Rates, workers: int) -> float:
    """Seconds by the clock for work that takes one worker so many seconds."""
    used = min(workers, cost.shards)
    return alone if used == 1 else rates.start_of_workers + makespan([alone / cost.shards] * cost.shards, used)


def _of(rate: Rate, units: float) -> float:
    return rate.start + units * rate.seconds if units else 0.0


def _cpu_seconds(work: Work, rates: Rates) -> float:
    found = ((_rate(work, cost, rates), cost.units) for cost in work.costs)
    return sum(_of(rate, units) * rate.cpu_seconds / rate.seconds for rate, units in found)


@dataclass(frozen=True)
class _Span:
    """Of a pool: seconds of the clock for each second of a single worker.

    start, cpu: a work's share of the seconds that workers take to start, and of what that takes of the cores.
    """

    share: float
    start: float = 0.0
    cpu: float = 0.0


def _span(works: Sequence[Work], rates: Rates, workers: int) -> _Span:
    durations = [_seconds(work, rates, 1) for work in works for _ in range(work.missing)]
    used = min(workers, len(durations))
    share = makespan(durations, used) / max(sum(durations), 1e-9)
    if used == 1:
        return _Span(share)
    return _Span(share, rates.start_of_workers / len(works), rates.cpu_of_start / len(works))


def _line(alike: Sequence[Work], spans: Mapping[tuple[str, str], _Span], rates: Rates, workers: int) -> Line:
    seconds = cpu_seconds = memory = 0.0
    units: dict[str, float] = {}
    for work in alike:
        taken = work.missing * _seconds(work, rates, 1 if work.pool else workers)
        if work.pool and work.missing:
            span = spans[work.pipeline, work.pool]
            taken = span.share * taken + span.start
            cpu_seconds += span.cpu
        seconds += taken
        cpu_seconds += work.missing * _cpu_seconds(work, rates)
        memory = max(memory, _memory_of_workers(work, rates, workers)) + work.held
        for cost in work.costs:
            name = cost.quantity.name
            units[name] = units.get(name, 0.0) + work.missing * cost.units
    first = alike[0]
    return Line(
        first.pipeline,
        first.kind,
        sum(work.tasks for work in alike),
        sum(work.there for work in alike),
        all(work.kept for work in alike),
        seconds,
        cpu_seconds,
        sum(work.missing * work.disk for work in alike),
        memory,
        units,
    )


def _memory_of_workers(work: Work, rates: Rates, workers: int) -> float:
    sizes = [0.0]
    for cost in work.costs:
        if is_of_workers(work, cost):
            together = max(1, work.missing) if work.pool else cost.shards
            sizes.append(min(workers, together) * _rate(work, cost, rates).memory)
    return max(sizes)


def _total(found: Sequence[Line], memory_of_driver: float) -> Total:
    return Total(
        sum(line.seconds for line in found),
        sum(line.cpu_seconds for line in found),
        sum(line.disk for line in found),
        memory_of_driver + max((line.memory for line in found), default=0.0),
    )
