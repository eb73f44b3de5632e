import numpy as np
import pytest
import torch

from faceleak.defenses.private.units import choose_images, make_units, whole_units


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
