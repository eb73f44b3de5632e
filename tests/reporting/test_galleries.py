import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from faceleak.faces.images import encode_jpeg
from faceleak.faces.store import Face, FaceStore, StoreError, pack, sha256_of
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.galleries import people_sheet, reconstruction_gallery, reconstruction_stages
from faceleak.reporting.style import BLUE, ORANGE, VERMILION

SIZES = {"member": (24, 24), "same_identity": (24, 24), "unseen_identity": (24, 20), "auxiliary": (16, 24)}


class PlainFaces:
    """Faces of one grey each, so that a picture says which image it is: the place of the image in the splits."""

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
    """Image i is of grey i; scores rise with i, and matches are told by i modulo 4."""
    grey = np.arange(n, dtype=np.uint8)[:, None, None, None]
    images = [np.broadcast_to(grey, (n, *size, 3)) for size in ((8, 8), (12, 10), (6, 9))]
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
    """Colour of each frame by the place of its upper left corner."""
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
    colours = [found.get((round(p.get_extent()[0], 3), round(p.get_extent()[3], 3))) for p in row]
    expected = [None] * 3 + [None, None, BLUE] + [None, ORANGE, None] + [None, VERMILION, None]
    assert colours == expected
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
    figure = reconstruction_gallery(*reconstructions(1))
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
    figure = reconstruction_stages({"random": images[:3], "best_random": others, "optimised": images[5:8]})
    rows = pictures(figure)
    shown = [[int(picture.get_array()[0, 0, 0]) for picture in row] for row in rows]
    assert shown == [[0, 1, 2], list(range(12)), [5, 6, 7]]
    lefts = [[p.get_extent()[0] for p in row[:3]] for row in (rows[0], rows[2])]
    assert lefts[0] == lefts[1]
    assert texts(figure)[1:] == ["random", "best random", "optimised"]
    with pytest.raises(ReportingError, match="no stages"):
        reconstruction_stages({})
