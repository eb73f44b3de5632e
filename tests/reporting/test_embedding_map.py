import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from faceleak.metrics.matcher import Gallery
from faceleak.reporting import embedding_map as module
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.embedding_map import KINDS, embedding_map

PEOPLE = 30


def world(people: int = PEOPLE):
    """Face i lies close to member i (i < 4) or to control 4 and 5; the last one is nobody's."""
    random = np.random.default_rng(0)
    templates = random.normal(size=(2 * people, 16))
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    members = Gallery(templates[:people], np.array([f"m{i:03}" for i in range(people)]))
    controls = Gallery(templates[people:], np.array([f"c{i:03}" for i in range(people)]))
    faces = np.concatenate([members.templates[:4], controls.templates[4:6], random.normal(size=(1, 16))])
    i = np.arange(7)
    table = pd.DataFrame({"member_identity": members.identities[i], "control_identity": controls.identities[i]})
    table["matches_member"], table["matches_control"], table["known"] = i < 4, (i == 4) | (i == 5), i == 0
    return faces + 0.02 * random.normal(size=faces.shape), members, controls, table


def points(figure) -> dict[str, np.ndarray]:
    drawn = [part for part in figure.axes[0].collections if isinstance(part, PathCollection)]
    return dict(zip(KINDS, (np.asarray(part.get_offsets()) for part in drawn), strict=True))


def test_reconstructions_lie_beside_the_people_whom_they_match():
    figure = embedding_map(*world(), "first")
    found = points(figure)
    assert [len(of_kind) for of_kind in found.values()] == [PEOPLE, PEOPLE, 1, 2, 1, 3]
    unknown = found["reconstruction that matches a member of whom the attacker had no image"]
    distances = np.linalg.norm(unknown[:, None] - found["member"], axis=2)
    assert distances.argmin(1).tolist() == [1, 2, 3]
    to_controls = np.linalg.norm(
        found["reconstruction that matches a control person"][:, None] - found["control person"], axis=2
    )
    assert to_controls.argmin(1).tolist() == [4, 5]
    assert figure._suptitle.get_text().endswith("by the evaluator first")
    names = {text.get_text() for text in figure.axes[0].texts}
    assert names == {"m000 (1)", "m001 (1)", "m002 (1)", "m003 (1)"}
    explained = [text.get_text() for text in figure.legends[0].get_texts()]
    assert explained[0] == f"member ({PEOPLE})"


def test_the_same_input_gives_the_same_picture():
    first, again = (points(embedding_map(*world(), "first")) for _ in range(2))
    assert all(np.array_equal(first[kind], again[kind]) for kind in KINDS)


def test_of_many_people_those_who_are_resembled_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MOST_PEOPLE", 5)
    found = points(embedding_map(*world(), "first"))
    assert len(found["member"]) == 7 + 4  # seven nearest ones, and of five spread evenly those who are not among them
    assert len(found["control person"]) == 11


def test_maps_that_cannot_be_drawn_are_refused():
    faces, members, controls, table = world()
    with pytest.raises(ReportingError, match="6 embeddings and 7 rows"):
        embedding_map(faces[:6], members, controls, table, "first")
    with pytest.raises(ReportingError, match="lack known"):
        embedding_map(faces, members, controls, table.drop(columns="known"), "first")
