from faceleak.reporting.audit.blocks import leaves, metric_table, tables_by
from faceleak.reporting.audit.parts import Measured


def test_bounds_are_joined_to_their_metric_and_counts_stand_last():
    rows = {
        "a": {"members": 5, "auc": 0.7, "auc_ci_low": 0.6, "auc_ci_high": 0.8},
        "b": {"members": 5, "auc": None, "brand_new": 0.25, "lonely_ci_low": 0.1},
    }
    table = metric_table(rows, "attack", "Caption")
    assert table.columns == ("attack", "AUC", "brand new", "lonely ci low", "members")
    nothing = Measured(value=None)
    assert table.rows == (
        ("a", Measured(value=0.7, low=0.6, high=0.8), nothing, nothing, 5),
        ("b", nothing, Measured(value=0.25), Measured(value=0.1), 5),
    )


def test_every_number_of_a_tree_is_found_however_deep_it_lies():
    tree = {"a": {"x": 1, "deep": {"deeper": {"y": 2}}}, "z": 3}
    assert dict(leaves(tree)) == {(): {"z": 3}, ("a",): {"x": 1}, ("a", "deep", "deeper"): {"y": 2}}


def test_a_tree_becomes_one_table_a_name_at_a_level():
    tree = {"one": {"p": {"auc": 1}, "q": {"auc": 2}}, "two": {"p": {"auc": 3, "judges": {"auc": 4}}}}
    tables = tables_by(tree, 1, "attack", "Against: {}")
    assert [(table.caption, table.rows) for table in tables] == [
        ("Against: p", (("one", 1), ("two", 3), ("two, judges", 4))),
        ("Against: q", (("one", 2),)),
    ]
