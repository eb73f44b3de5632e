import pandas as pd

from faceleak.membership.stacking import parts, stack


def test_tables_come_back_in_order_with_rows_counted_anew() -> None:
    tables = {"b": pd.DataFrame({"x": [1, 2]}, index=[5, 6]), "a": pd.DataFrame({"x": [3]})}
    stacked = stack(tables, "name")
    assert stacked.to_dict("list") == {"name": ["b", "b", "a"], "x": [1, 2, 3]}
    assert stacked.index.tolist() == [0, 1, 2]
    back = parts(stacked, "name")
    assert list(back) == ["b", "a"]
    for name, table in tables.items():
        pd.testing.assert_frame_equal(back[name], table.reset_index(drop=True))
