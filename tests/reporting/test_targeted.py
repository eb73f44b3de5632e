import numpy as np
import pytest
from rich.console import Console

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.targeted import Faces, targeted_faces, targeted_tables


def rate(name: str, value: float) -> dict[str, float]:
    return {name: value, f"{name}_ci_low": value - 0.1, f"{name}_ci_high": value + 0.1}


TARGETED = {
    method: {
        kind: rate("type_1_success_rate", first) | rate("type_2_success_rate", first / 2)
        for kind, first in (("members", share), ("strangers", share - 0.2))
    }
    for method, share in (("linear", 0.4), ("optimised", 0.8))
}
PERSON = {
    method: {
        whose: rate("match_rate", share + place / 100) | rate("likeness", 0.3)
        for place, whose in enumerate(("members", "members_other_images", "strangers", "member_excess"))
    }
    for method, share in (("start", 0.1), ("inversion", 0.3), ("person_image", 0.5), ("gain", -0.2))
} | {"verdict": {"image": rate("auc", 0.7), "person_image": rate("auc", 0.6)}}


def shown(*metrics) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        for table in targeted_tables(*metrics):
            console.print(table)
    return capture.get()


def test_the_tables_say_who_is_accepted_beside_what():
    text = shown(TARGETED, PERSON)
    assert max(map(len, text.splitlines())) <= 100
    row = next(line for line in text.splitlines() if line.startswith("optimised"))
    for cell in ("0.800 [0.700, 0.900]", "0.600 [0.500, 0.700]", "0.400 [0.300, 0.500]", "0.300 [0.200, 0.400]"):
        assert cell in row
    assert "not who was trained on" in text
    row = next(line for line in text.splitlines() if line.startswith("strangers, other images"))
    for cell in ("0.320 [0.220, 0.420]", "0.520 [0.420, 0.620]", "-0.180 [-0.280, -0.080]"):
        assert cell in row
    assert "image 0.700 [0.600, 0.800], person image 0.600 [0.500, 0.700]" in " ".join(text.split())


def test_each_table_is_there_only_if_it_was_measured():
    assert len(targeted_tables(TARGETED, None)) == len(targeted_tables(None, PERSON)) == 1
    assert targeted_tables(None, None) == []


def part(kinds, title="Title"):
    grey = np.arange(len(kinds), dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    columns = {"its image": grey, "linear": grey + 100}
    return Faces(title, columns, kinds, {"linear": {"members": 0.4, "strangers": 0.25}})


def test_a_row_leads_from_what_was_given_to_what_was_made_of_it():
    figure = targeted_faces([part(["members", "members", "strangers"], "First"), part(["strangers"], "Second")])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    places = [(round(p.get_extent()[3], 3), p.get_extent()[0], int(p.get_array()[0, 0, 0])) for p in axes.images]
    assert [grey for _, _, grey in sorted(places)] == [0, 100, 1, 101, 2, 102, 0, 100]
    written = [text.get_text() for text in axes.texts]
    assert written.count("member") == 2
    assert written.count("stranger") == 2
    assert written.count("members 40 %") == written.count("strangers 25 %") == 2
    assert {"First", "Second", "its image", "linear"} <= set(written)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)
    faces = [picture.get_window_extent() for picture in axes.images]
    assert not any(box.overlaps(face) for box in boxes for face in faces)


@pytest.mark.parametrize("kinds", [[], ["members"]])
def test_lengths_that_differ_or_nobody_to_show_are_an_error(kinds):
    columns = {"its image": np.zeros((2 if kinds else 0, 8, 8, 3), np.uint8)}
    with pytest.raises(ReportingError, match="do not make a picture"):
        targeted_faces([Faces("Title", columns, kinds, {})])
