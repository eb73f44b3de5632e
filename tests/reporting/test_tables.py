import numpy as np
import pandas as pd
import pytest

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.tables import RESULT_COLUMNS, markdown, results_table
from tests.reporting.conftest import METRICS


def test_results_are_a_row_a_metric_with_its_interval():
    table = results_table(METRICS)
    assert tuple(table.columns) == RESULT_COLUMNS
    rows = table.set_index(["variant", "stage", "attack", "population_or_step", "metric"])[
        ["value", "ci_low", "ci_high"]
    ]
    assert rows.index.is_unique
    auc = rows.loc["undefended", "membership", "bn_distance_partial_knowledge", "unseen_identity", "auc"]
    np.testing.assert_allclose(auc, [0.854, 0.804, 0.904])
    utility = rows.loc["noise_0.4", "utility", "", "", "verification_auc"]
    np.testing.assert_allclose(utility, [0.891, 0.881, 0.901])
    members = rows.loc["undefended", "membership", "bn_distance_partial_knowledge", "unseen_identity", "members"]
    np.testing.assert_array_equal(members, [100, np.nan, np.nan])
    np.testing.assert_array_equal(rows.loc["noise_0.4", "defense", "", "", "seconds"], [2, np.nan, np.nan])
    assert rows.loc["noise_0.4", "defense", "bn_noise", "rdp/target", "epsilon"].isna().all()


def test_no_number_is_lost_in_the_long_table():
    def count(tree):
        return sum(count(value) if isinstance(value, dict) else value is not None for value in tree.values())

    assert results_table(METRICS)[["value", "ci_low", "ci_high"]].notna().to_numpy().sum() == count(METRICS)


def test_a_bound_without_its_metric_is_a_row_of_its_own():
    table = results_table({"undefended": {"utility": {"auc_ci_low": 0.5}}})
    assert table[["metric", "value"]].to_numpy().tolist() == [["auc_ci_low", 0.5]]


def test_what_is_no_number_is_refused():
    with pytest.raises(ReportingError, match="`auc` is 'high'"):
        results_table({"undefended": {"utility": {"auc": "high"}}})


def test_no_metrics_give_an_empty_table():
    assert results_table({}).shape == (0, len(RESULT_COLUMNS))


def test_markdown_has_three_decimals_and_aligned_columns():
    table = pd.DataFrame({"variant": ["a|b", "c"], "auc": [0.12345, np.nan], "members": [7, 8]})
    assert markdown(table) == (
        "| variant | auc | members |\n| --- | ---: | ---: |\n| a\\|b | 0.123 | 7 |\n| c | – | 8 |\n"
    )
