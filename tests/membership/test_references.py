import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.splits import SplitError
from faceleak.membership.options import ReferenceOptions
from faceleak.membership.references import images_to_read, reference_name, split_references

TRAINING = TrainingOptions(architecture="iresnet_tiny", epochs=1)


def splits_of(counts: list[int], others: int = 3) -> pd.DataFrame:
    """Auxiliary people with so many images each, among people of other roles."""
    rows = [(f"x{person}/{i}", f"x{person}", "auxiliary") for person, n in enumerate(counts) for i in range(n)]
    rows += [(f"y{i}", f"y{i}", role) for i in range(others) for role in ("member", "unseen_identity", "public")]
    splits = pd.DataFrame(rows, columns=["image_id", "identity", "role"])
    return splits.assign(sha256="hash of " + splits["image_id"], known=False)


@st.composite
def reference_options(draw) -> ReferenceOptions:
    return ReferenceOptions(
        count=draw(st.integers(1, 3)),
        member_share=draw(st.floats(0.01, 0.99)),
        training_share=draw(st.floats(0.01, 0.99)),
        training=TRAINING,
        seed=draw(st.integers(0, 1000)),
    )


people = st.lists(st.integers(1, 8), min_size=2, max_size=15)


@settings(max_examples=60, deadline=None)
@given(people, reference_options())
def test_who_is_a_member_of_which_reference(counts, options):
    table = split_references(splits_of(counts), options)
    assert table["reference"].unique().tolist() == [reference_name(number) for number in range(options.count)]
    assert table.columns.tolist() == ["image_id", "identity", "sha256", "reference", "role", "is_member"]
    assert (table["is_member"] == (table["role"] == "member")).all()
    for _, images in table.groupby("reference"):
        assert sorted(images["image_id"]) == sorted(
            f"x{person}/{i}" for person, n in enumerate(counts) for i in range(n)
        )
        of_role = {role: set(rows["identity"]) for role, rows in images.groupby("role")}
        members, unseen = of_role["member"], of_role["unseen_identity"]
        assert len(members) == min(max(1, round(options.member_share * len(counts))), len(counts) - 1)
        assert not members & unseen
        assert of_role.get("same_identity", set()) <= members
        for person in members:
            own = images[images["identity"] == person]
            n = len(own)
            expected = 1 if n == 1 else min(max(1, np.round(options.training_share * n)), n - 1)
            assert own["is_member"].sum() == expected


@settings(max_examples=25, deadline=None)
@given(people, reference_options(), st.integers(0, 100))
def test_neither_the_order_of_the_splits_nor_the_number_of_references_changes_one(counts, options, order):
    splits = splits_of(counts)
    expected = split_references(splits, options)
    pd.testing.assert_frame_equal(split_references(splits.sample(frac=1, random_state=order), options), expected)
    more = split_references(splits, options.model_copy(update={"count": options.count + 1}))
    pd.testing.assert_frame_equal(more.head(len(expected)), expected)


def test_references_and_seeds_draw_other_people():
    splits = splits_of([2] * 40)

    def members_of(seed: int) -> list[frozenset[str]]:
        table = split_references(splits, ReferenceOptions(count=4, training=TRAINING, seed=seed))
        members = table[table["is_member"]]
        return [frozenset(rows["identity"]) for _, rows in members.groupby("reference")]

    drawn = [*members_of(0), *members_of(1)]
    assert len(set(drawn)) == 8
    pairs = [frozenset(pair) for pair in zip(drawn[::2], drawn[1::2], strict=True)]
    assert all(not first & second for first, second in pairs)
    # two random halves of 40 people share 10 on average, with a standard deviation of 1.6
    assert all(
        3 <= len(first & second) <= 17
        for first in drawn
        for second in drawn
        if first != second and frozenset((first, second)) not in pairs
    )


@settings(max_examples=25)
@given(st.integers(1, 10), st.integers(1, 4), st.integers(0, 1000))
def test_with_equal_shares_everybody_is_known_to_half_of_the_references(half_of_the_people, pairs, seed):
    options = ReferenceOptions(count=2 * pairs, member_share=0.5, training=TRAINING, seed=seed)
    table = split_references(splits_of([2] * 2 * half_of_the_people), options)
    saw = table["role"] != "unseen_identity"
    known_to = table[saw].groupby("identity")["reference"].nunique()
    assert known_to.tolist() == [pairs] * 2 * half_of_the_people


@settings(max_examples=25)
@given(people, reference_options())
def test_a_pair_takes_its_people_from_opposite_ends(counts, options):
    table = split_references(splits_of(counts), options.model_copy(update={"count": 2}))
    saw = table[table["role"] != "unseen_identity"].groupby("reference")["identity"].agg(frozenset)
    size = min(max(1, round(options.member_share * len(counts))), len(counts) - 1)
    assert len(saw.iloc[0] & saw.iloc[1]) == max(0, 2 * size - len(counts))  # no more than must be


def test_people_of_other_roles_change_nothing():
    options = ReferenceOptions(count=2, training=TRAINING)
    expected = split_references(splits_of([3, 4, 2]), options)
    pd.testing.assert_frame_equal(split_references(splits_of([3, 4, 2], others=9), options), expected)


@pytest.mark.parametrize(("counts", "found"), [([], 0), ([5], 1)])
def test_without_two_auxiliary_people_there_is_no_reference(counts, found):
    with pytest.raises(SplitError, match=rf"there are {found}\. Raise faces\.splits\.roles\.auxiliary\.people"):
        split_references(splits_of(counts), ReferenceOptions(count=1, training=TRAINING))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(0, 100))
def test_signals_are_read_of_the_same_whole_people_in_every_reference(read_people, seed):
    options = ReferenceOptions(count=4, read_people=read_people, training=TRAINING, seed=seed)
    table = split_references(splits_of([3] * 30), options)
    if read_people >= 30:
        assert images_to_read(table, options) is table
        return
    try:
        read = images_to_read(table, options)
    except SplitError:
        assert read_people < 10
        return
    people = {frozenset(images["identity"]) for _, images in read.groupby("reference")}
    assert {len(of_one) for of_one in people} == {read_people}
    assert len(people) == 1
    assert (read.groupby(["reference", "identity"]).size() == 3).all()
    assert (read.groupby("reference")["is_member"].nunique() == 2).all()


def test_people_who_are_all_non_members_to_a_reference_teach_nothing():
    few = ReferenceOptions(count=2, read_people=2, training=TRAINING, member_share=0.1)
    with pytest.raises(SplitError, match=r"read_people is 2, and \d references.*Raise it"):
        images_to_read(split_references(splits_of([2] * 40), few), few)
