import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.faces import counting
from faceleak.faces.counting import (
    NONE,
    ROLES,
    code,
    columns_of,
    count_shared,
    find,
    join,
    keys_of,
    number_of_contents,
    number_of_rows,
    number_of_values,
    slices,
)

KEYS = st.lists(st.integers(0, 5), max_size=40).map(lambda keys: np.array(keys, np.uint64))


@st.composite
def columns(draw, count: int) -> list[list[int]]:
    length = draw(st.integers(0, 40))
    return [draw(st.lists(st.integers(0, 5), min_size=length, max_size=length)) for _ in range(count)]


@given(columns(2))
def test_numbers_of_rows_and_of_values_are_those_of_pandas(drawn):
    keys, values = pd.Series(drawn[0], dtype="uint64"), pd.Series(drawn[1], dtype="int64")
    sizes, different = keys.groupby(keys).transform("size"), values.groupby(keys).transform("nunique")
    is_key = keys != 0
    assert number_of_rows(keys.to_numpy()).tolist() == sizes.where(is_key, 0).tolist()
    assert number_of_values(values.to_numpy(), keys.to_numpy()).tolist() == different.where(is_key, 0).tolist()


@given(columns(2))
def test_the_number_of_contents_leaves_out_missing_ones(drawn):
    keys, contents = (pd.Series(column, dtype="uint64") for column in drawn)
    expected = contents.where(contents != 0).groupby(keys).transform("nunique").where(keys != 0, 0)
    assert number_of_contents(contents.to_numpy(), keys.to_numpy()).tolist() == expected.tolist()


@given(KEYS, KEYS)
def test_the_first_row_of_each_key_is_found(wanted, among):
    listed = among.tolist()
    expected = [listed.index(key) if key and key in listed else NONE for key in wanted.tolist()]
    assert find(wanted, among).tolist() == expected


def table(*image_ids: str | None, **more: list) -> pd.DataFrame:
    return pd.DataFrame({"image_id": image_ids, "identity": "anna", "sha256": image_ids, **more}, dtype="str")


def test_all_rows_of_both_tables_are_in_the_joined_one():
    manifest, splits = table("a", "b", None), table("b", "c", "b", None).assign(role="member", known=True)
    joined = join(code(manifest, False), code(splits, True))
    assert joined.manifest.tolist() == [0, 1, 2, NONE, 1, NONE]
    assert joined.splits.tolist() == [NONE, 0, NONE, 1, 2, 3]
    assert joined.agree.tolist() == [True, True, True, False, True, False]
    assert joined.images.image.tolist() == keys_of(pd.Series(["a", "b", None, "c", "b", None])).tolist()


@pytest.mark.parametrize(("manifest", "splits"), [(0, 2), (2, 0), (0, 0)])
def test_empty_tables_are_joined(manifest, splits):
    ids = ["a", "b"]
    joined = join(
        code(table(*ids[:manifest]), False), code(table(*ids[:splits]).assign(role="member", known=True), True)
    )
    assert len(joined.agree) == max(manifest, splits)
    assert set(count_shared(joined.images)["copies_in_role"].tolist()) <= {0, 1}


def test_slices_make_no_difference(tmp_path, monkeypatch):
    splits = table(*"abcde").assign(role=["member", "public", "nobody", None, "auxiliary"], known=False)
    splits.to_parquet(tmp_path / "splits.parquet")
    whole = code(splits, True)
    monkeypatch.setattr(counting, "ROWS_PER_SLICE", 2)
    for source in (splits, tmp_path / "splits.parquet"):
        assert columns_of(source) == list(splits.columns)
        assert [len(part) for part in slices(source, ["role"])] == [2, 2, 1]
        for found, expected in zip(vars(code(source, True)).values(), vars(whole).values(), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert [([*ROLES, None])[role] for role in whole.role] == ["member", "public", "unknown", None, "auxiliary"]
