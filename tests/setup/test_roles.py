"""Roles fit the people that there are."""

from collections import Counter

import pytest

from faceleak.setup.roles import RolesError, propose


def people(number: int, images: int, start: int = 0) -> Counter[str]:
    return Counter({f"p{person}": images for person in range(start, start + number)})


def sizes(found) -> dict[str, object]:
    return {role: wanted["people"] for role, wanted in found.roles.items()}


def test_many_people_are_drawn_as_in_base() -> None:
    found = propose({None: people(1000, 10)})
    assert sizes(found) == {"member": 100, "unseen_identity": 100, "auxiliary": 200, "public": 500}
    assert (found.images, found.stated, found.warnings) == (4, False, [])


def test_people_with_two_images_do_where_few_have_four_and_few_people_are_warned_of() -> None:
    found = propose({None: people(90, 2) + people(300, 1, start=90)})
    assert sizes(found) == {"member": 20, "unseen_identity": 20, "auxiliary": 40, "public": 310}
    assert found.roles["member"]["minimum_images"] == 2
    assert "member (20), unseen_identity (20)" in found.warnings[0]


def test_ten_non_members_are_left_for_an_interval() -> None:
    assert sizes(propose({None: people(20, 4)})) == {"member": 4, "unseen_identity": 10, "auxiliary": 6, "public": 0}
    found = propose({"member": people(4, 4), "non_member": people(16, 4, 4)})
    assert sizes(found) == {"member": "all", "unseen_identity": 10, "auxiliary": 6, "public": 0}


def test_stated_members_are_all_taken_and_non_members_are_as_many_at_least() -> None:
    found = propose({"member": people(40, 3), "same_identity": people(40, 2), "non_member": people(600, 5, start=50)})
    assert sizes(found) == {"member": "all", "unseen_identity": 50, "auxiliary": 200, "public": 350}
    assert sizes(propose({"member": people(90, 3), "non_member": people(600, 5, 90)}))["unseen_identity"] == 90
    assert propose({"member": people(900, 5), "non_member": people(900, 5, 900)}).roles["member"]["people"] == 200


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({None: people(5, 4)}, "5 people have 1 image or more, and an audit takes at least 18"),
        ({"member": people(5, 4), "non_member": people(3, 4, 5)}, r"3 others have 1 image or more.* \(--others PATH"),
        ({"non_member": people(30, 4)}, "Nobody is stated to have been trained on"),
    ],
)
def test_too_few_people_are_told(counts, message: str) -> None:
    with pytest.raises(RolesError, match=message):
        propose(counts)
