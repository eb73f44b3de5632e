from dataclasses import replace

import pytest

from faceleak.planning.estimate import lines, makespan, totals
from faceleak.planning.rates import Rate, Rates, Timing, rate_of
from faceleak.planning.work import Cost, Quantity, Work, merged

TRAINING, READING = (Quantity(name, lambda _: Rate(1.0, 1.0, 0.0, 0.0, "")) for name in ("training", "reading"))
RATES = Rates(
    by_driver={"reading": Rate(0.5, 1.0, 0.0, 10.0, "measured")},
    by_workers={"training": Rate(2.0, 2.0, 1.0, 100.0, "measured")},
    start_of_workers=6.0,
    cpu_of_start=4.0,
    memory_of_driver=1000.0,
)


def test_workers_take_the_next_task_as_soon_as_they_are_free():
    assert makespan([3, 1, 1, 1], 2) == 3
    assert makespan([1, 1, 1, 3], 2) == 4
    assert makespan([5], 1) == 5


def test_a_line_through_two_timings_parts_the_start_from_the_units():
    rate = rate_of(Timing(10, 3.0, 2.0), Timing(30, 7.0, 4.0), "two timings")
    assert (rate.seconds, rate.cpu_seconds, rate.start) == pytest.approx((0.2, 0.1, 1.0))


def test_tasks_of_a_pool_share_the_workers_and_those_that_are_there_cost_nothing():
    trained = Work("references", 5, (Cost(TRAINING, 10),), "pool", there=1, disk=7, held=50, pipeline="attack")
    read = Work("signals", 3, (Cost(READING, 4),), pipeline="attack")
    training, reading = lines([trained, read], RATES, workers=2)
    # four tasks of 1 + 10·2 s by two workers, which take 6 s to start
    assert training.seconds == pytest.approx(2 * 21 + 6)
    assert training.cpu_seconds == pytest.approx(4 * 21 + 4)
    assert training.disk == 4 * 7
    assert training.memory == 2 * 100 + 50
    assert reading.seconds == pytest.approx(3 * 2)
    assert reading.cpu_seconds == pytest.approx(3 * 4)
    total = totals([training, reading], RATES.memory_of_driver)["attack"]
    assert total.seconds == pytest.approx(training.seconds + reading.seconds)
    assert total.memory == 1000 + 250


def test_one_worker_starts_no_process():
    trained = Work("target", 1, (Cost(TRAINING, 10),), "pool")
    (line,) = lines([trained], RATES, workers=1)
    assert line.seconds == pytest.approx(21)


def test_shards_of_one_task_share_the_workers():
    rates = replace(RATES, by_workers={**RATES.by_workers, "reading": Rate(2.0, 2.0, 0.0, 10.0, "measured")})
    (whole,) = lines([Work("signals", 2, (Cost(READING, 12),))], rates, workers=2)
    (shared,) = lines([Work("signals", 2, (Cost(READING, 12, shards=3),))], rates, workers=2)
    assert whole.seconds == pytest.approx(2 * 12 * 0.5)
    assert shared.seconds == pytest.approx(2 * (6 + 2 * 4 * 2))  # two of three shards by one worker, after the start
    assert shared.cpu_seconds == pytest.approx(2 * 12 * 2)
    assert (whole.memory, shared.memory) == (0, 2 * 10)


def test_tasks_that_take_the_same_are_one_work():
    one = Work("references", 1, (Cost(TRAINING, 10),), "pool", held=5)
    another = Work("references", 1, (Cost(TRAINING, 12),), "pool", there=1)
    assert merged([one, another, Work("references", 2, (Cost(TRAINING, 10),), "pool", there=1, held=5)]) == [
        Work("references", 3, (Cost(TRAINING, 10),), "pool", there=1, held=10),
        another,
    ]
