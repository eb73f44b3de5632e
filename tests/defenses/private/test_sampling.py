import numpy as np
import pytest
import torch

from faceleak.defenses.private.sampling import (
    SHIFT,
    DrawRecord,
    PoissonSampler,
    choose_images,
    make_units,
    views,
    whole_units,
)


def test_a_unit_is_an_image_or_all_images_of_a_person(demo_store, private_images):
    images, people = (make_units(private_images, demo_store, unit) for unit in ("image", "identity"))
    assert (len(images), len(people)) == (27, 5)
    assert sorted(map(len, people.members)) == [3, 6, 6, 6, 6]
    identity = demo_store.manifest()["identity"].to_numpy()
    for person, rows in enumerate(people.members):
        assert len(set(identity[people.positions[rows]])) == 1
        assert set(people.classes[rows].tolist()) == {person}
    assert sorted(np.concatenate(images.members)) == list(range(27))


def test_the_order_of_the_rows_changes_nothing(demo_store, private_images):
    first, second = (make_units(table, demo_store, "identity") for table in (private_images, private_images[::-1]))
    np.testing.assert_array_equal(first.positions, second.positions)
    assert torch.equal(first.classes, second.classes)


def test_of_a_large_unit_some_images_are_drawn_without_repetition(demo_store, private_images):
    units, random = make_units(private_images, demo_store, "identity"), torch.Generator().manual_seed(0)
    draws = [choose_images(units, torch.tensor([0]), 2, random)[0] for _ in range(60)]
    assert all(len(set(rows)) == 2 for rows in draws)
    assert {int(row) for rows in draws for row in rows} == set(units.members[0].tolist())
    assert len(choose_images(units, torch.tensor([0]), 6, random)[0]) == len(units.members[0])


@pytest.mark.parametrize(
    ("size", "batches"), [(3, [[3], [1, 2], [5]]), (100, [[3, 1, 2, 5]]), (1, [[3], [1], [2], [5]])]
)
def test_no_unit_is_split_between_batches(size, batches):
    chosen = [np.arange(number) for number in (3, 1, 2, 5)]
    assert [[len(rows) for rows in batch] for batch in whole_units(chosen, size)] == batches


def test_an_empty_draw_has_no_batches():
    assert list(whole_units([], 8)) == []


UNITS, STEPS = 200, 2000


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_each_unit_is_drawn_by_itself_with_the_rate(rate):
    sampler = PoissonSampler(UNITS, rate, torch.Generator().manual_seed(0))
    drawn = np.zeros((STEPS, UNITS), bool)
    for step in range(STEPS):
        drawn[step, sampler.draw()] = True
    # standard errors: √(q(1−q)/400,000) of the rate, √(2/2000) of the variance of the sizes
    assert drawn.mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / drawn.size))
    assert drawn.sum(1).var() == pytest.approx(UNITS * rate * (1 - rate), rel=0.15)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.1
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 0.1


def test_a_rate_of_1_draws_every_unit():
    assert PoissonSampler(5, 1.0, torch.Generator()).draw().tolist() == [0, 1, 2, 3, 4]


def test_the_record_counts_sizes_and_units():
    record = DrawRecord(torch.zeros(4, dtype=torch.int64))
    for drawn in ([0, 2], [], [2, 3, 0]):
        record.add(torch.tensor(drawn, dtype=torch.int64))
    assert record.sizes == [2, 0, 3]
    assert record.times_drawn.tolist() == [2, 0, 2, 1]


FACES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_one_view_is_the_image_itself():
    assert torch.equal(views(FACES, 1, torch.Generator()), FACES)


def test_views_of_an_image_stand_side_by_side_and_the_first_is_the_image():
    seen = views(FACES, 4, torch.Generator().manual_seed(0))
    assert seen.shape == (12, 3, 32, 32)
    assert torch.equal(seen[::4], FACES)


def test_each_other_view_is_the_image_moved_and_perhaps_mirrored():
    reach, mirrored = 32 // SHIFT, 0
    seen = views(FACES, 30, torch.Generator().manual_seed(0))
    inner = slice(2 * reach, 32 - 2 * reach)
    for number, view in enumerate(seen):
        image, matches = FACES[number // 30], []
        for mirror, turned in enumerate((view, view.flip(2))):
            for down in range(-reach, reach + 1):
                for right in range(-reach, reach + 1):
                    moved = turned.roll((down, right), (1, 2))[:, inner, inner]
                    if torch.equal(moved, image[:, inner, inner]):
                        matches.append(mirror)
        assert len(matches) == 1
        mirrored += matches[0]
    assert 25 < mirrored < 65  # of 87


def test_views_follow_the_generator():
    first, second, other = (views(FACES, 3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
