import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.findings import findings_table, hit_list
from faceleak.metrics.gallery import Gallery
from faceleak.metrics.judge import Judge, Panel

AXES = np.eye(5)
MEMBERS, CONTROLS = Gallery(AXES[:2], np.array(["a", "b"])), Gallery(AXES[2:4], np.array(["c", "d"]))


@pytest.fixture
def panel() -> Panel:
    judge = Judge(MEMBERS, CONTROLS, frozenset({"a"}), 0.5)
    return Panel({"one": judge, "two": judge, "three": judge}, {}, ("one", "two"))


def test_findings_by_hand(panel: Panel) -> None:
    one, two = np.array([[4.0, 0, 0, 3, 0], [0, 1, 0, 0, 0]]), np.array([[1.0, 0, 0, 0, 0], [3, 4, 0, 0, 0]])
    table = findings_table({"one": one, "two": two, "three": one}, panel)
    assert table["member_identity"].tolist() == ["a", "b"]
    assert table["matches_member"].tolist() == [True, True]
    assert table["known"].tolist() == [True, False]
    assert table["matches_control"].tolist() == [False, False]  # the first says d, the second does not
    assert table["member_similarity.one"].tolist() == pytest.approx([0.8, 1])
    assert table["member_similarity.two"].tolist() == pytest.approx([1, 0.8])
    assert {"member_similarity.three", "control_similarity.three"} < set(table)  # is told, and counts for nothing


def test_the_hit_list_counts_matches_alone(panel: Panel) -> None:
    embeddings = np.array([[1.0, 0, 0, 0, 0], [3, 0, 0, 0, 4], [3, 0, 0, 0, 3], [0, 1, 0, 0, 0]])
    table = findings_table({"one": embeddings, "two": embeddings, "three": embeddings}, panel)
    hits = hit_list(table.assign(encounter="undefended", step="optimised"))
    assert hits[["identity", "known", "reconstructions"]].to_numpy().tolist() == [["a", True, 3], ["b", False, 1]]
    assert hits["best_similarity.two"].tolist() == pytest.approx([1, 1])
    nobody = hit_list(table.assign(encounter="undefended", step="random", matches_member=False))
    assert len(nobody) == 0
    assert isinstance(nobody, pd.DataFrame)
    assert list(nobody) == list(hits)
