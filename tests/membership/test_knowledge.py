import pandas as pd
import pytest

from faceleak.membership.knowledge import IdentityOverlapError, check_disjoint, evaluated_images, known_images


def table(*rows: tuple[str, str, bool]) -> pd.DataFrame:
    """One image a row: person, role, known."""
    splits = pd.DataFrame(rows, columns=["identity", "role", "known"])
    return splits.assign(image_id=[f"i{row}" for row in range(len(splits))])


SPLITS = table(
    ("a", "member", True),
    ("a", "same_identity", True),
    ("b", "member", False),
    ("b", "same_identity", False),
    ("c", "unseen_identity", True),
    ("d", "unseen_identity", False),
    ("e", "auxiliary", False),
    ("f", "public", False),
)


def test_the_attacker_knows_the_known_images_and_no_role_of_its_own():
    known = known_images(SPLITS)
    assert known["image_id"].tolist() == ["i0", "i1", "i4"]
    assert known["is_member"].tolist() == [True, False, False]


def test_what_is_evaluated_is_the_rest_of_the_roles_that_are_compared():
    evaluated = evaluated_images(SPLITS)
    assert evaluated["image_id"].tolist() == ["i2", "i3", "i5"]
    assert evaluated["is_member"].tolist() == [True, False, False]


def test_the_splits_stay_as_they_came():
    before = SPLITS.copy()
    known_images(SPLITS)
    evaluated_images(SPLITS)
    pd.testing.assert_frame_equal(SPLITS, before)


@pytest.mark.parametrize(
    "attackers",
    [("b", "member", True), ("d", "unseen_identity", True), ("b", "auxiliary", False), ("d", "public", False)],
)
def test_a_person_who_is_evaluated_and_known_is_an_error_whatever_the_attacker_knows_them_as(attackers):
    splits = pd.concat([SPLITS, table(attackers)])
    with pytest.raises(IdentityOverlapError, match=r"1 of 2 evaluated people are also known.*Run the faces pipeline"):
        evaluated_images(splits)


def test_the_error_counts_people_and_names_nobody():
    with pytest.raises(IdentityOverlapError, match="2 of 3 evaluated") as error:
        check_disjoint(pd.Series(["Ann", "Bob", "Ann"]), pd.Series(["Ann", "Ann", "Bob", "Eve"]))
    assert "Ann" not in str(error.value)
    check_disjoint(pd.Series(["Ann"]), pd.Series(["Bob", "Bob"]))


def test_real_splits_share_nobody(splits):
    known, evaluated = known_images(splits), evaluated_images(splits)
    assert not set(known["identity"]) & set(evaluated["identity"])
    assert len(known) == len(evaluated) == 20 * 6
