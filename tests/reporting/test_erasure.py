"""Erasures as they are shown: what is read off the metrics, once, and what each renderer makes of it."""

import pandas as pd
import pytest

from faceleak.metrics.erasure import PersonVerdict
from faceleak.reporting.erasure import erasure_figure, erasure_table, erasure_tree, read_erasure
from faceleak.reporting.terminal import as_text
from faceleak.reporting.terminal import erasure_table as terminal_table


def numbers(found, low, high, **more):
    measured = {"still_found": found, "still_found_ci_low": low, "still_found_ci_high": high}
    rest = {"found_before": 0.9, "stays_found": 0.95, "smallest_seen": 0.25, "never_in": 199, "people": 20}
    return {**measured, **rest, **more}


COST = pd.DataFrame(
    {
        "draw": 0,
        "method": ["before", "gold", "gold", "nothing"],
        "seed": [0, 0, 1, 0],
        "cpu_seconds": [float("nan"), 90.0, 110.0, 5.0],
        "verification_auc": [0.9, 0.91, 0.87, 0.85],
        "verification_auc_of_stays": 0.95,
        "tar_at_far_0.1pct": [0.5, 0.5, 0.5, None],
        "tar_at_far_0.1pct_of_stays": 0.6,
    }
)


def verdict(verdict, method="nothing", attacker="weights"):
    return PersonVerdict(0, method, 0, attacker, "anna", 10, 0.005, 0.4, 0.6, None, 0.9, verdict, "found")


@pytest.fixture
def tree():
    by_method = {
        "nothing": {
            "weights": numbers(0.9, 0.7, 0.98, still_found_over_gold=0.85),
            "embeddings": numbers(0.5, 0.3, 0.7),
        },
        "gold": {"weights": numbers(0.05, 0.01, 0.2), "embeddings": numbers(0.0, 0.0, 0.15)},
    }
    verdicts = [verdict("still found"), verdict("still found"), verdict("cannot be said")]
    verdicts.append(verdict("erased as far as can be told", attacker="embeddings"))
    return erasure_tree(by_method, verdicts, COST, "gold", "weights")


def test_metrics_of_a_method_are_joined_with_its_cost(tree):
    own = tree["nothing"]
    assert own["cost_of_gold"] == pytest.approx(0.05)
    assert own["verification_auc_change"] == pytest.approx(-0.05)
    assert own["tar_at_far_0.1pct"] is None
    assert own["share_still_found"] == pytest.approx(2 / 3)
    assert own["share_erased_as_far_as_can_be_told"] == 0
    assert own["embeddings"]["still_found"] == 0.5
    assert (tree["gold"]["is_gold"], own["is_gold"]) == (1, 0)
    assert tree["gold"]["verification_auc"] == pytest.approx(0.89)


def test_without_gold_nothing_is_compared_with_it():
    tree = erasure_tree({"nothing": {"weights": numbers(0.9, 0.7, 0.98)}}, [], COST, None, "weights")
    assert not {"cost_of_gold", "is_gold", "share_still_found"} & tree["nothing"].keys()
    assert read_erasure(tree)[0].verdict == "still found"


@pytest.mark.parametrize(
    ("own", "gold", "verdict", "because"),
    [
        (
            numbers(0.9, 0.7, 1),
            numbers(0.05, 0, 0.2),
            "still found",
            "90 % [70–100 %] are found, where chance finds 5 %",
        ),
        (numbers(0.05, 0, 0.2), numbers(0.05, 0, 0.2), "erased as far as can be told", "25 % would have been seen"),
        (
            numbers(0.9, 0.7, 1),
            numbers(0.5, 0.2, 0.8),
            "cannot be said",
            "even backbones that never saw them find 50 % [20–80 %]",
        ),
        ({"verification_auc": 0.9}, None, "cannot be said", "reads what this backbone does not give"),
        (numbers(None, None, None), None, "cannot be said", "199 people never in are too few"),
        (numbers(0.0, 0, 0.2, found_before=0.3), None, "cannot be said", "gave away 30 % of them"),
        (numbers(0.0, 0, 0.2, stays_found=0.4), None, "cannot be said", "finds 40 % of the people who stay"),
    ],
)
def test_a_verdict_on_a_method_says_why(own, gold, verdict, because):
    tree = {"one": own} if gold is None else {"one": own, "gold": {**gold, "is_gold": 1}}
    (read,) = [one for one in read_erasure(tree) if one.method == "one"]
    assert read.verdict == verdict
    assert because in read.because.replace("\u00a0", " ")
    assert read.sentence.startswith(f"One: {verdict}; ")


def test_gold_comes_first_and_tables_have_a_row_an_attacker(tree):
    assert [one.method for one in read_erasure(tree)] == ["gold", "nothing"]
    table = erasure_table(tree)
    assert table[["method", "attacker"]].to_numpy().tolist() == [
        *(["nothing", "weights"], ["nothing", "embeddings"], ["gold", "weights"], ["gold", "embeddings"])
    ]
    assert table["still_found"].tolist() == [0.9, 0.5, 0.05, 0.0]
    assert table["cost_of_gold"].notna().tolist() == [True, False, True, False]


def test_the_terminal_shows_what_is_still_found_and_says_it(tree):
    text = as_text([terminal_table(tree)])
    assert "0.900 [0.700, 0.980]" in text
    assert "Nothing: still found; 90" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_figure_has_a_point_for_each_method_and_attacker(tree):
    left, right = erasure_figure(tree).axes
    points = [line for line in left.lines if line.get_marker() not in ("None", None, "")]
    assert len(points) == 4
    assert [text.get_text() for text in left.get_yticklabels()] == ["gold (gold)", "nothing"]
    assert len([line for line in right.lines if line.get_marker() == "o"]) == 2


def test_the_figure_can_be_drawn_where_nothing_could_be_measured():
    nothing = {"is_gold": 1, "cost_of_gold": None, "verification_auc_change": None}
    tree = {"one": {**numbers(None, None, None), **nothing, "weights": numbers(None, None, None)}}
    assert len(erasure_figure(tree).axes) == 2
