import numpy as np
import pandas as pd
import pytest

from faceleak.membership.inputs import (
    AttackInput,
    IdentityOverlapError,
    MissingSignalsError,
    aligned,
    check_disjoint,
    evaluated_images,
    known_images,
    of_references,
    of_target,
)


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


IMAGES = pd.DataFrame(
    {"image_id": ["a0", "a1", "b0"], "identity": ["a", "a", "b"], "is_member": [True, False, False]},
    index=[7, 3, 5],
)
SIGNALS = pd.DataFrame({"image_id": ["b0", "x", "a0", "a1"], "s.1": [3.0, 9.0, 1.0, 2.0]})
READ = pd.DataFrame(
    {
        "reference": ["r1"] * 3 + ["r0"] * 3,
        "image_id": ["a1", "b0", "a0", "a0", "a1", "b0"],
        "s.1": [20.0, 30.0, 10.0, 100.0, 200.0, 300.0],
    }
)


def roles_of(name: str, *rows: tuple[str, str]) -> pd.DataFrame:
    """One reference's signals: image and role a row; the signal says which reference and image it is of."""
    table = pd.DataFrame(rows, columns=["image_id", "role"])
    values = int(name[1:]) * 100.0 + np.arange(len(rows))
    identity, is_member = table["image_id"].str[0], table["role"] == "member"
    return table.assign(reference=name, identity=identity, is_member=is_member, **{"s.1": values})


SHADOWS = pd.concat(
    [
        roles_of("r1", ("a0", "member"), ("a1", "same_identity"), ("b0", "unseen_identity"), ("c0", "member")),
        roles_of("r2", ("a0", "unseen_identity"), ("a1", "unseen_identity"), ("b0", "member"), ("c0", "member")),
        roles_of("r3", ("a0", "same_identity"), ("a1", "member"), ("b0", "unseen_identity"), ("c0", "member")),
    ],
    ignore_index=True,
)


def test_signals_are_put_in_the_order_of_the_images():
    assert aligned(IMAGES, SIGNALS)["s.1"].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(MissingSignalsError, match=r"2 of 3 images have no signals.*Run the membership pipeline"):
        aligned(IMAGES, SIGNALS[SIGNALS["image_id"].isin(["x", "a1"])])


def test_a_target_beside_references_that_know_none_of_its_people():
    seen = of_target(IMAGES, SIGNALS, READ)
    assert seen.images["image_id"].tolist() == ["a0", "a1", "b0"]
    assert seen.images["is_member"].tolist() == [True, False, False]
    assert seen.own["s.1"].tolist() == [1.0, 2.0, 3.0]
    assert [table["s.1"].tolist() for table in seen.references] == [[10.0, 20.0, 30.0], [100.0, 200.0, 300.0]]
    assert all(table.columns.tolist() == ["s.1"] for table in [seen.own, *seen.references])
    assert seen.out.tolist() == [[True, True]] * 3


def test_an_image_that_one_reference_lacks_is_an_error():
    with pytest.raises(MissingSignalsError, match="1 of 3 images"):
        of_target(IMAGES, SIGNALS, READ.drop(index=1))


def test_without_references_there_is_the_targets_own():
    seen = of_target(IMAGES, SIGNALS, READ.head(0))
    assert (len(seen.references), seen.out.shape) == (0, (3, 0))
    assert len(seen.comparable().images) == 0


def test_every_reference_is_a_target_of_the_others():
    first, second, third = of_references(SHADOWS)
    assert first.images["image_id"].tolist() == ["a0", "a1", "b0", "c0"]
    assert first.images["identity"].tolist() == ["a", "a", "b", "c"]
    assert [shadow.images["is_member"].tolist() for shadow in (first, second, third)] == [
        [True, False, False, True],
        [False, False, True, True],
        [False, True, False, True],
    ]
    assert second.own["s.1"].tolist() == [200.0, 201.0, 202.0, 203.0]
    assert [table["s.1"].tolist()[0] for table in second.references] == [100.0, 300.0]
    # r2 never saw a, r3 never saw b; a reference is a non-member to people, whatever it was trained on of them
    assert first.out.tolist() == [[True, False], [True, False], [False, True], [False, False]]
    assert third.out.tolist() == [[False, True], [False, True], [True, False], [False, False]]


def test_references_whose_rows_come_in_another_order_are_matched_by_image():
    shuffled = pd.concat([rows.sample(frac=1, random_state=1) for _, rows in SHADOWS.groupby("reference")])
    for found, expected in zip(of_references(shuffled), of_references(SHADOWS), strict=True):
        order = found.images.reset_index().set_index("image_id").loc[expected.images["image_id"], "index"]
        for table, other in zip([found.own, *found.references], [expected.own, *expected.references], strict=True):
            assert table["s.1"].to_numpy()[order].tolist() == other["s.1"].tolist()
        np.testing.assert_array_equal(found.out[order], expected.out)


def test_online_references_are_those_that_were_trained_on_the_image():
    trained_on = pd.DataFrame({"reference": ["r0", "r0", "r1", "r9"], "image_id": ["a0", "b0", "x", "a1"]})
    seen = of_target(IMAGES, SIGNALS, READ, trained_on)
    assert [table["s.1"].tolist() for table in seen.references] == [[10.0, 20.0, 30.0], [100.0, 200.0, 300.0]]
    assert seen.out.tolist() == [[True, False], [True, True], [True, False]]


def test_online_a_reference_is_not_compared_with_its_opposite():
    fourth = roles_of("r4", ("a0", "same_identity"), ("a1", "member"), ("b0", "member"), ("c0", "unseen_identity"))
    shadows = of_references(pd.concat([SHADOWS, fourth], ignore_index=True), online=True)
    assert [[table["s.1"].iloc[0] for table in shadow.references] for shadow in shadows] == [
        [300.0, 400.0],
        [300.0, 400.0],
        [100.0, 200.0],
        [100.0, 200.0],
    ]
    # r3 was trained on a1 and c0, r4 on a1 and b0
    assert shadows[0].out.tolist() == [[True, True], [False, False], [True, False], [False, True]]


def test_online_all_references_have_equally_many_others():
    shadows = of_references(SHADOWS, online=True)
    assert [[table["s.1"].iloc[0] for table in shadow.references] for shadow in shadows] == [[300.0], [300.0], [200.0]]


def test_a_lone_reference_has_nobody_to_be_compared_with():
    (lone,) = of_references(SHADOWS[SHADOWS["reference"] == "r1"])
    assert lone.out.shape == (4, 0)
    assert lone.references == []


def test_comparable_keeps_the_people_whom_some_reference_never_saw():
    kept = of_references(SHADOWS)[0].comparable()
    assert kept.images["image_id"].tolist() == ["a0", "a1", "b0"]
    assert kept.own["s.1"].tolist() == [100.0, 101.0, 102.0]
    assert [table["s.1"].tolist() for table in kept.references] == [[200.0, 201.0, 202.0], [300.0, 301.0, 302.0]]
    assert kept.out.tolist() == [[True, False], [True, False], [False, True]]
    indices = [table.index.tolist() for table in (kept.images, kept.own, *kept.references)]
    assert indices == [[0, 1, 2]] * 4


def test_comparable_leaves_the_evidence_alone():
    whole = of_references(SHADOWS)[0]
    again = whole.comparable().comparable()
    assert len(whole.images) == len(whole.own) == len(whole.out) == 4
    assert isinstance(again, AttackInput)
    assert len(again.images) == 3


def test_a_defended_reference_shows_itself_and_the_others_stay_as_they_are():
    defended = (
        SHADOWS[["reference", "image_id", "s.1"]].assign(**{"s.1": -SHADOWS["s.1"]}).sample(frac=1, random_state=0)
    )
    for plain, seen in zip(of_references(SHADOWS), of_references(SHADOWS, shadow_signals=defended), strict=True):
        pd.testing.assert_frame_equal(seen.images, plain.images)
        assert seen.own["s.1"].tolist() == (-plain.own["s.1"]).tolist()
        for table, expected in zip(seen.references, plain.references, strict=True):
            pd.testing.assert_frame_equal(table, expected)
        assert (seen.out == plain.out).all()
