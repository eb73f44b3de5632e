import numpy as np
import pytest
from matplotlib.colors import to_hex

from faceleak.membership.options import BLIND_MODEL, ModelKey
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.comparison import by_model, comparison_figure, comparison_markdown, comparison_table
from faceleak.reporting.style import BLUE, VERMILION


def interval(metric, value, half_width):
    return {metric: value, f"{metric}_ci_low": value - half_width, f"{metric}_ci_high": value + half_width}


def measured(auc, over_paper=None, people=False):
    metrics = {
        **interval("auc", auc, 0.03),
        **interval("asr", 0.6, 0.02),
        **interval("tpr_at_fpr_1pct", 0.25, 0.1),
        **interval("tpr_at_fpr_0.1pct", 0.1, 0.05),
        **interval("advantage_over_blind", auc - 0.51, 0.04),
        "members": 50.0 if people else 1000.0,
        "non_members": 40.4 if people else 2000.0,
        "targets": 5,
        "auc_spread": 0.01,
    }
    return metrics if over_paper is None else metrics | interval("auc_over_paper", over_paper, 0.02)


BLIND = {population: {**interval("auc", 0.51, 0.02), "targets": 5} for population in ("unseen_identity", "identity")}
FUSED, DISTANCE, NORM = (ModelKey(name, "shadow") for name in ("fused", "bn_distance", "embedding_norm"))
KNOWN_DISTANCE, MOMENTS = (ModelKey(name, "partial_knowledge") for name in ("bn_distance", "bn_moments"))
TREE = {
    BLIND_MODEL: BLIND,
    KNOWN_DISTANCE: {
        "unseen_identity": measured(0.75),
        "identity": measured(0.97, None, True),
    },
    DISTANCE: {"unseen_identity": measured(0.72), "identity": measured(0.9, None, True)},
    NORM: {
        "unseen_identity": measured(0.6, -0.12),
        "identity": measured(0.95, 0.05, True),
    },
    FUSED: {"unseen_identity": measured(0.96, 0.24), "identity": measured(0.92, 0.02, True)},
    MOMENTS: {
        "unseen_identity": measured(0.9, 0.15),
        "identity": measured(0.96, -0.01, True),
    },
}


def rows_of(markdown, population):
    """Cells of the rows of one population's table, below its header."""
    table = markdown.split(f"### {population}:")[1].split("###")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")][2:]


def test_the_long_table_has_every_number_under_its_attack_and_threat_model():
    table = comparison_table(TREE)
    assert list(table.columns) == ["attack", "threat_model", "population", "metric", "value", "ci_low", "ci_high"]
    rows = table.set_index(["attack", "threat_model", "population", "metric"])
    assert rows.index.is_unique
    np.testing.assert_allclose(rows.loc["fused", "shadow", "unseen_identity", "auc_over_paper"], [0.24, 0.22, 0.26])
    np.testing.assert_array_equal(rows.loc["fused", "shadow", "identity", "non_members"], [40.4, np.nan, np.nan])
    np.testing.assert_allclose(rows.loc["bn_moments", "partial_knowledge", "identity", "auc"], [0.96, 0.93, 0.99])
    numbers = sum(len(metrics) for populations in TREE.values() for metrics in populations.values())
    assert rows.notna().to_numpy().sum() == numbers
    assert comparison_table({}).empty


def test_markdown_ranks_by_auc_with_the_blind_baseline_last():
    markdown = comparison_markdown(TREE)
    rows = rows_of(markdown, "unseen_identity")
    assert [row[0] for row in rows] == ["fused", "bn_moments", "bn_distance", "bn_distance", "embedding_norm", "blind"]
    assert rows[0] == [
        "fused",
        "shadow",
        "0.960 [0.930, 0.990]",
        "0.250 [0.150, 0.350]",
        "+0.240 [0.220, 0.260]",
        "+0.450 [0.410, 0.490]",
    ]
    assert [row[4] for row in rows[2:4]] == ["the paper's"] * 2
    assert rows[-1] == ["blind", "partial knowledge", "0.510 [0.490, 0.530]", "–", "–", "–"]
    assert [row[2][:5] for row in rows_of(markdown, "identity")] == [
        "0.970",
        "0.960",
        "0.950",
        "0.920",
        "0.900",
        "0.510",
    ]
    assert "same_identity" not in markdown


def test_markdown_tells_how_much_was_measured_and_what_it_means():
    unseen, people = comparison_markdown(TREE).split("### ")[1:]
    assert "Means over 5 targets, each with 1,000 images of members and 2,000 of non-members;" in unseen
    assert "each with 50 people of members and 40 of non-members;" in people
    assert "Reading: leaks: fused_shadow has AUC 0.960" in unseen
    once = {FUSED: {"unseen_identity": {**measured(0.5), "targets": 1}}}
    assert "One target, with 1,000 images" in comparison_markdown(once)
    assert "Reading: no evidence: " in comparison_markdown(once)


def test_no_attack_is_called_the_papers_where_none_was_compared_with_it():
    alone = {DISTANCE: TREE[DISTANCE], BLIND_MODEL: BLIND}
    assert rows_of(comparison_markdown(alone), "identity")[0][4] == "–"
    assert comparison_figure(alone).axes[0].get_yticklabels()[0].get_text() == "bn_distance"


def marks(axes):
    """Attack, by row, and AUC of each mark, by color."""
    found = {}
    names = [label.get_text() for label in axes.get_figure().axes[0].get_yticklabels()]
    for line in axes.lines:
        if line.get_marker() in ("o", "s"):
            (x,), (y,) = line.get_data()
            found[names[round(y)], to_hex(line.get_color()).upper()] = x
    return names, found


def test_attacks_are_rows_in_the_order_of_their_auc_for_unseen_people():
    figure = comparison_figure(TREE)
    unseen, people = figure.axes
    assert unseen.get_title(loc="left").startswith("unseen_identity\n")
    assert people.get_title(loc="left").startswith("identity\n")
    names, drawn = marks(unseen)
    assert names == ["fused", "bn_moments", "bn_distance (the paper's)", "embedding_norm"]
    assert drawn == {  # partial knowledge first
        ("fused", VERMILION): 0.96,
        ("bn_moments", BLUE): 0.9,
        ("bn_distance (the paper's)", BLUE): 0.75,
        ("bn_distance (the paper's)", VERMILION): 0.72,
        ("embedding_norm", VERMILION): 0.6,
    }
    assert marks(people)[1]["embedding_norm", VERMILION] == 0.95
    assert unseen.get_ylim() == people.get_ylim() == (3.5, -0.5)
    assert figure.get_suptitle().endswith("mean over 5 targets")


def test_intervals_chance_and_the_blind_baseline_are_drawn():
    (axes, _) = comparison_figure(TREE).axes
    segments = sorted(tuple(bar.get_segments()[0][:, 0]) for bar in axes.collections)
    np.testing.assert_allclose(segments[-1], [0.93, 0.99])
    assert len(segments) == 5
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [0.5]
    bands = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches if patch.get_x() > 0]
    np.testing.assert_allclose(bands, [(0.49, 0.53)])
    legend = [text.get_text() for text in axes.get_figure().legends[0].get_texts()]
    assert legend == ["partial knowledge", "shadow", "interval of the blind baseline", "chance"]


def test_an_attack_that_was_not_measured_on_unseen_people_is_the_last_row():
    tree = {**TREE, ModelKey("lira", "shadow"): {"identity": measured(0.999, 0.03, True)}}
    assert marks(comparison_figure(tree).axes[1])[0][-1] == "lira"
    only_people = {name: {"identity": populations["identity"]} for name, populations in TREE.items()}
    (axes,) = comparison_figure(only_people).axes
    assert marks(axes)[0] == ["bn_distance (the paper's)", "bn_moments", "embedding_norm", "fused"]


def test_one_target_without_intervals_is_drawn():
    figure = comparison_figure({FUSED: {"unseen_identity": {"auc": 0.8}}})
    figure.draw_without_rendering()
    assert figure.get_suptitle().endswith("one target")


@pytest.mark.parametrize("show", [comparison_markdown, comparison_figure])
def test_what_cannot_be_compared_is_refused(show):
    for tree in ({}, {BLIND_MODEL: BLIND}):
        with pytest.raises(ReportingError, match="No attack was measured"):
            show(tree)


def test_names_in_metrics_are_those_of_the_configuration():
    tree = {"fused_shadow": {"identity": {}}, "blind_partial_knowledge": {}, "my_shadow_partial_knowledge": {}}
    assert list(by_model(tree, ["fused", "my_shadow"])) == [FUSED, BLIND_MODEL, ("my_shadow", "partial_knowledge")]
    with pytest.raises(ReportingError, match="'my_shadow_partial_knowledge' was compared, which is none of membership"):
        by_model(tree, ["fused"])
