import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from faceleak.faces.images import encode_jpeg
from faceleak.faces.store import Face, FaceStore, StoreError, pack, sha256_of
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.galleries import (
    FaceBesideNearest,
    Faces,
    film_strips,
    nearest_faces_sheet,
    nearest_images,
    people_sheet,
    reconstruction_gallery,
    reconstruction_stages,
    samples_sheet,
    targeted_faces,
)
from faceleak.reporting.style import BLUE, ORANGE, VERMILION

SIZES = {"member": (24, 24), "same_identity": (24, 24), "unseen_identity": (24, 20), "auxiliary": (16, 24)}


class PlainFaces:
    """Faces of one gray each, so that a picture says which image it is: the place of the image in the splits."""

    def __init__(self, splits: pd.DataFrame) -> None:
        self.splits = splits

    def fingerprint(self) -> str:
        return "plain"

    def __iter__(self):
        for place, (image_id, identity, role) in enumerate(
            self.splits[["image_id", "identity", "role"]].itertuples(index=False)
        ):
            height, width = SIZES[role]
            jpeg = encode_jpeg(np.full((height, width, 3), place, np.uint8))
            yield Face(image_id, identity, "test", jpeg, width, height, sha256_of(jpeg))


def make_splits(images: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """Role → people and images each; same_identity people are the members."""
    rows = []
    for role, (people, count) in images.items():
        kind = "member" if role == "same_identity" else role
        rows += [(f"{role}/{p}/{i}", f"{kind}_{p}", role, p == 0) for p in range(people) for i in range(count)]
    return pd.DataFrame(rows, columns=["image_id", "identity", "role", "known"]).assign(sha256="")


@pytest.fixture(scope="module")
def splits():
    return make_splits({"member": (5, 3), "same_identity": (5, 2), "unseen_identity": (3, 4), "auxiliary": (2, 7)})


@pytest.fixture(scope="module")
def store(splits, tmp_path_factory):
    path = tmp_path_factory.mktemp("faces") / "store.arrow"
    pack(PlainFaces(splits), path)
    return FaceStore(path)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def pictures(figure):
    """Pictures by row, from left to right."""
    rows: dict[float, list] = {}
    for picture in figure.axes[0].images:
        left, _, bottom, top = picture.get_extent()
        rows.setdefault(round((bottom + top) / 2, 3), []).append((left, picture))
    return [[picture for _, picture in sorted(row, key=lambda item: item[0])] for _, row in sorted(rows.items())]


def proportions(picture):
    """Width by height on the page."""
    box = picture.get_window_extent()
    return box.width / box.height


def test_people_are_shown_a_row_each_beside_their_role(store, splits):
    figure = people_sheet(store, splits, people_per_role=3, images_per_person=4)
    written = texts(figure)
    assert written[0] == "Who plays which role? 8 of 10 people"
    for role in ("member", "same_identity", "unseen_identity", "auxiliary"):
        assert written.count(role) == 1
    assert [text for text in written if text.startswith("member_")] == ["member_0", "member_2", "member_4"]
    assert [text for text in written if text.startswith("unseen_identity_")] == [
        f"unseen_identity_{i}" for i in range(3)
    ]
    assert written.count("known to the attacker") == 3


def test_members_stand_on_the_left_and_other_images_of_theirs_on_the_right(store, splits):
    figure = people_sheet(store, splits[splits["identity"].str.startswith("member")], 2, 5)
    for row, person in zip(pictures(figure), (0, 4), strict=True):
        shown = [int(picture.get_array()[0, 0, 0]) for picture in row]
        expected = [*(f"member/{person}/{i}" for i in range(3)), *(f"same_identity/{person}/{i}" for i in range(2))]
        assert shown == [splits.index[splits["image_id"] == image_id][0] for image_id in expected]
        gaps = np.diff([picture.get_extent()[0] for picture in row])
        assert gaps.argmax() == 2


def test_faces_keep_their_proportions(store, splits):
    figure = people_sheet(store, splits)
    figure.draw_without_rendering()
    for picture in figure.axes[0].images:
        height, width = picture.get_array().shape[:2]
        assert proportions(picture) == pytest.approx(width / height)
    shapes = {picture.get_array().shape[:2] for picture in figure.axes[0].images}
    assert shapes == {(24, 24), (24, 20), (16, 24)}


def test_no_more_people_and_images_are_shown_than_there_are(store, splits):
    figure = people_sheet(store, splits, people_per_role=50, images_per_person=10)
    assert len(figure.axes[0].images) == len(splits)


def test_sheets_that_cannot_be_drawn_are_refused(store, splits):
    with pytest.raises(ReportingError, match="nobody to show"):
        people_sheet(store, splits.assign(role="nobody"))
    with pytest.raises(ReportingError, match="lack role"):
        people_sheet(store, splits.drop(columns="role"))
    with pytest.raises(StoreError, match="not in"):
        people_sheet(store, splits.assign(image_id=splits["image_id"] + "x"))


def reconstructions(n: int):
    """Image i is of gray i; scores rise with i, and matches are told by i modulo 4."""
    gray = np.arange(n, dtype=np.uint8)[:, None, None, None]
    images = [np.broadcast_to(gray, (n, *size, 3)) for size in ((8, 8), (12, 10), (6, 9))]
    i = np.arange(n)
    table = pd.DataFrame({"score": i / 10, "member_similarity": i / 100, "control_similarity": -i / 100})
    table = table.assign(
        member_identity=[f"m{k}" for k in i],
        control_identity=[f"c{k}" for k in i],
        matches_member=i % 4 < 2,
        known=i % 4 == 1,
        matches_control=i % 4 == 2,
    )
    return *images, table


def frames(figure):
    """Color of each frame by the place of its upper left corner."""
    return {
        (round(patch.get_x(), 3), round(patch.get_y(), 3)): to_hex(patch.get_edgecolor()).upper()
        for patch in figure.axes[0].patches
        if isinstance(patch, Rectangle)
    }


def test_each_reconstruction_stands_beside_its_nearest_with_frames_where_they_match():
    figure = reconstruction_gallery(*reconstructions(4))
    (row,) = pictures(figure)
    assert [int(picture.get_array()[0, 0, 0]) for picture in row] == [3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0]  # by score
    found = frames(figure)
    colors = [found.get((round(p.get_extent()[0], 3), round(p.get_extent()[3], 3))) for p in row]
    expected = [None] * 3 + [None, None, BLUE] + [None, ORANGE, None] + [None, VERMILION, None]
    assert colors == expected
    written = texts(figure)
    assert written[0] == "Whom do reconstructions resemble? 2 of 4 match a member, 1 a control"
    assert {"score 0.30", "cosine 0.03", "cosine -0.03", "m3", "c3"} <= set(written)
    assert written.count("nearest member") == written.count("nearest control") == 4
    explained = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(explained) == 4
    assert "the attacker had no image" in explained[0]


def test_of_many_reconstructions_those_shown_are_spread_over_the_ranking():
    figure = reconstruction_gallery(*reconstructions(47))
    rows = pictures(figure)
    assert [len(row) for row in rows] == [12] * 6
    shown = [int(picture.get_array()[0, 0, 0]) for row in rows for picture in row[::3]]
    assert shown == list(range(46, -1, -2))
    assert any(text.startswith("24 of 47 are shown") for text in texts(figure))


def test_galleries_keep_proportions_and_texts_lie_on_the_page():
    figure = reconstruction_gallery(*reconstructions(1), note="ceiling: of 48 photos 0 match")
    assert "ceiling: of 48 photos 0 match" in [text.get_text() for text in figure.axes[0].texts]
    figure.draw_without_rendering()
    assert [proportions(picture) for picture in pictures(figure)[0]] == pytest.approx([1, 10 / 12, 9 / 6])
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert figure.bbox.contains(*box.min)
        assert figure.bbox.contains(*box.max)


def test_galleries_that_do_not_belong_together_are_refused():
    images, members, controls, table = reconstructions(4)
    with pytest.raises(ReportingError, match="4 rows, but there are 3 reconstructions, 4 members and 4 controls"):
        reconstruction_gallery(images[:3], members, controls, table)
    with pytest.raises(ReportingError, match="lack known"):
        reconstruction_gallery(images, members, controls, table.drop(columns="known"))
    with pytest.raises(ReportingError, match="no rows"):
        reconstruction_gallery(images[:0], members[:0], controls[:0], table[:0])


def test_stages_are_rows_in_the_order_given():
    images, others, _, _ = reconstructions(15)
    figure = reconstruction_stages({"random": images[:3], "best_random": others, "optimized": images[5:8]})
    rows = pictures(figure)
    shown = [[int(picture.get_array()[0, 0, 0]) for picture in row] for row in rows]
    assert shown == [[0, 1, 2], list(range(12)), [5, 6, 7]]
    lefts = [[p.get_extent()[0] for p in row[:3]] for row in (rows[0], rows[2])]
    assert lefts[0] == lefts[1]
    assert texts(figure)[1:] == ["random", "best random", "optimized"]
    with pytest.raises(ReportingError, match="no stages"):
        reconstruction_stages({})


def films(people: int, moments: int):
    """Moment k of film i is of gray 10·i + k and has the score i + k / 10; the member is of gray 200 + i."""
    place = 10 * np.arange(people)[:, None] + np.arange(moments)
    frames = np.broadcast_to(place[..., None, None, None], (people, moments, 8, 6, 3)).astype(np.uint8)
    scores = (np.arange(people)[:, None] + np.arange(moments) / 10).astype(np.float32)
    members = np.broadcast_to(200 + np.arange(people)[:, None, None, None], (people, 8, 6, 3)).astype(np.uint8)
    matches = np.arange(people) % 2 == 0
    table = pd.DataFrame({"member_identity": [f"m{i}" for i in range(people)], "matches_member": matches})
    return frames, scores, members, table.assign(known=False)


def test_a_row_leads_from_the_start_to_the_member():
    figure = film_strips(*films(3, 4))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    shown = sorted((round(p.get_extent()[3], 3), p.get_extent()[0], int(p.get_array()[0, 0, 0])) for p in axes.images)
    grays = [gray for _, _, gray in shown]
    assert grays == [0, 1, 2, 3, 200, 10, 11, 12, 13, 201, 20, 21, 22, 23, 202]
    for picture in axes.images:
        box = picture.get_window_extent()
        assert box.width / box.height == pytest.approx(6 / 8)
    written = [text.get_text() for text in axes.texts]
    assert [text for text in written if text.startswith(("start", "after", "nearest"))] == [
        *("start", "after round 1", "after round 2", "after round 3", "nearest member")
    ]
    assert {"0.0", "0.3", "2.3", "m0", "m2"} <= set(written)
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(frames) == 2
    for text in axes.texts:
        box = text.get_window_extent()
        assert figure.bbox.contains(*box.min)
        assert figure.bbox.contains(*box.max)


def test_films_that_do_not_belong_together_are_refused():
    frames, scores, members, table = films(3, 2)
    with pytest.raises(ReportingError, match="3 films, 3 rows of scores, 2 members and 3 rows"):
        film_strips(frames, scores, members[:2], table)
    with pytest.raises(ReportingError, match="no rows"):
        film_strips(frames[:0], scores[:0], members[:0], table[:0])


def plain_faces(count: int, first: int = 0) -> np.ndarray:
    """Faces of one gray each, which says which face it is."""
    return np.broadcast_to(np.arange(first, first + count)[:, None, None, None], (count, 8, 8, 3)).astype(np.uint8)


def grays_of(figure) -> list[int]:
    """The pictures, row by row and from left to right."""
    images = sorted(figure.axes[0].images, key=lambda image: (round(image.get_extent()[3], 2), image.get_extent()[0]))
    return [int(image.get_array()[0, 0, 0]) for image in images]


def texts_of(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_a_sheet_shows_the_first_samples_in_their_order():
    figure = samples_sheet(plain_faces(75), 40_000)
    assert grays_of(figure) == list(range(60))
    assert texts_of(figure) == ["Samples of the prior after 40,000 images shown"]
    assert grays_of(samples_sheet(plain_faces(3), 1)) == [0, 1, 2]


def test_samples_stand_beside_their_nearest_and_the_nearest_of_all_come_first():
    samples = FaceBesideNearest(plain_faces(30), plain_faces(30, 100), np.linspace(0.9, 0.31, 30))
    held_out = FaceBesideNearest(plain_faces(4, 50), plain_faces(4, 150), np.full(4, 0.12))
    figure = nearest_faces_sheet(samples, held_out, "evaluator")
    shown = grays_of(figure)
    pairs = list(zip(shown[::2], shown[1::2], strict=True))
    assert all(right == left + 100 for left, right in pairs)
    assert [left for left, _ in pairs] == [*range(24), 29, 28, 27, 26, 25, 24, 50, 51, 52, 53]
    written = texts_of(figure)
    assert "Distances (1 − cosine) by evaluator" in written[0]
    assert written.count("0.12") == 4
    assert "0.31" in written


def test_no_samples_are_an_error():
    none = FaceBesideNearest(plain_faces(0), plain_faces(0), np.empty(0))
    with pytest.raises(ReportingError, match="no faces to show"):
        nearest_faces_sheet(none, none, "evaluator")
    with pytest.raises(ReportingError, match="no faces to show"):
        samples_sheet(plain_faces(0), 1)


def test_the_person_is_given_and_the_image_is_the_nearest(demo_store: FaceStore) -> None:
    manifest = demo_store.manifest()
    ids = manifest["image_id"].iloc[[0, 1, 6]].to_list()
    people = pd.DataFrame(
        {
            "image_id": ids,
            "identity": manifest["identity"].iloc[[0, 1, 6]].to_list(),
            "role": "member",
            "embedding": [np.array([1.0, 0.0]), np.array([0.0, 5.0]), np.array([0.0, 9.0])],
        }
    )
    person = people["identity"].iloc[0]
    found = nearest_images(demo_store, people, "member", pd.Series([person]), np.array([[0.1, 1.0]], np.float32), 64)
    np.testing.assert_array_equal(found[0], demo_store.images(demo_store.positions([ids[1]]), 64)[0])


def part(kinds, title="Title"):
    gray = np.arange(len(kinds), dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    columns = {"its image": gray, "linear": gray + 100}
    return Faces(title, columns, kinds, {"linear": {"members": 0.4, "non_members": 0.25}})


def test_a_row_leads_from_what_was_given_to_what_was_made_of_it():
    figure = targeted_faces([part(["members", "members", "non_members"], "First"), part(["non_members"], "Second")])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    places = [(round(p.get_extent()[3], 3), p.get_extent()[0], int(p.get_array()[0, 0, 0])) for p in axes.images]
    assert [gray for _, _, gray in sorted(places)] == [0, 100, 1, 101, 2, 102, 0, 100]
    written = [text.get_text() for text in axes.texts]
    assert written.count("member") == 2
    assert written.count("non-member") == 2
    assert written.count("members 40 %") == written.count("non-members 25 %") == 2
    assert {"First", "Second", "its image", "linear"} <= set(written)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max) for box in boxes)
    faces = [picture.get_window_extent() for picture in axes.images]
    assert not any(box.overlaps(face) for box in boxes for face in faces)


@pytest.mark.parametrize("kinds", [[], ["members"]])
def test_parts_whose_lengths_differ_or_with_nobody_to_show_are_an_error(kinds):
    columns = {"its image": np.zeros((2 if kinds else 0, 8, 8, 3), np.uint8)}
    with pytest.raises(ReportingError, match="do not make a picture"):
        targeted_faces([Faces("Title", columns, kinds, {})])
