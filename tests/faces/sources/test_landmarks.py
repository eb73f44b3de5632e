"""Landmarks as detectors and data sets write them are the same five points, whichever file they stand in."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faceleak.faces.sources.landmarks import COLUMNS, LandmarksError, read_landmarks

ANNA = [[30.0, 50.0], [70.0, 52.0], [51.0, 70.0], [35.0, 90.0], [68.0, 91.0]]
BERT = [[31.0, 41.0], [71.0, 43.0], [52.0, 61.0], [36.0, 81.0], [69.0, 82.0]]
NUMBERS = {"anna/0.jpg": np.ravel(ANNA).tolist(), "bert/0.jpg": np.ravel(BERT).tolist()}
NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
AS_THE_PERSON_SEES_IT = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")


def named(points: list[list[float]], names: tuple[str, ...] = NAMES) -> dict[str, list[float]]:
    return dict(zip(names, points, strict=True))


def csv(header: str) -> str:
    rows = [",".join([name, *map(str, numbers)]) for name, numbers in NUMBERS.items()]
    return "\n".join([header, *rows]) + "\n"


CELEBA = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
FILES = {
    "plain.csv": csv(",".join(["image_id", *COLUMNS])),
    "celeba.csv": csv("image_id," + CELEBA.replace(" ", ",")),
    "file.csv": csv("filename," + ",".join(f"{axis}_{name}" for name in NAMES for axis in "xy")),
    "list_landmarks_align_celeba.txt": "\n".join(
        ["2", CELEBA, *(" ".join([name, *map(str, numbers)]) for name, numbers in NUMBERS.items())]
    ),
    "insightface.json": json.dumps(
        {"anna/0.jpg": [{"bbox": [1, 2, 3, 4], "det_score": 0.9, "kps": ANNA}], "bert/0.jpg": [{"kps": BERT}]}
    ),
    "insightface_faces.json": json.dumps({"anna/0.jpg": {"faces": [{"kps": ANNA}]}, "bert/0.jpg": {"kps": BERT}}),
    "mtcnn.json": json.dumps(
        {"anna/0.jpg": [{"box": [1, 2, 3, 4], "keypoints": named(ANNA)}], "bert/0.jpg": [{"keypoints": named(BERT)}]}
    ),
    "retina_face.json": json.dumps(
        {
            name: {"face_1": {"score": 0.9, "facial_area": [1, 2, 3, 4], "landmarks": named(points, names)}}
            for name, points, names in (
                ("anna/0.jpg", ANNA, AS_THE_PERSON_SEES_IT),
                ("bert/0.jpg", BERT, AS_THE_PERSON_SEES_IT),
            )
        }
    ),
    "facenet_pytorch.json": json.dumps({"anna/0.jpg": {"landmarks": [ANNA]}, "bert/0.jpg": {"landmarks": [BERT]}}),
    "records.json": json.dumps(
        [{"file": "anna\\0.jpg", "points": NUMBERS["anna/0.jpg"]}, {"path": "bert/0.jpg", "kps": BERT}]
    ),
    "lines.jsonl": "\n".join(json.dumps({"image_id": name, "kps": numbers}) for name, numbers in NUMBERS.items()),
    "nobody_on_one.json": json.dumps({"empty.jpg": [], "anna/0.jpg": ANNA, "bert/0.jpg": BERT, "none.jpg": None}),
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_gives_the_same_points(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name])
    found = read_landmarks(tmp_path / name)
    expected = pd.DataFrame(NUMBERS.values(), columns=COLUMNS)
    assert found["image_id"].tolist() == ["anna/0.jpg", "bert/0.jpg"]
    pd.testing.assert_frame_equal(found[COLUMNS], expected)


def test_several_faces_are_several_rows_and_equal_ones_are_one(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"a.jpg": [{"kps": ANNA}, {"kps": BERT}, {"kps": ANNA}]}))
    assert read_landmarks(tmp_path / "x.json")["image_id"].tolist() == ["a.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "image_id,left_eye_x,left_eye_y\na,1,2\n", "x of right eye, y of right eye, x of nose are not"),
        ("x.csv", "person,x1\na,1\n", "no column image_id"),
        ("x.csv", ",".join(["image_id", *COLUMNS]) + "\na,1,2,3,4,5,6,7,8,9,ten\n", "column y5: 'ten' is no number"),
        ("x.txt", f"1\n{CELEBA}\na.jpg 1 2 3\n", "Row 3 has 3 numbers, not 10"),
        ("x.json", '{"a.jpg": [{"bbox": [1, 2, 3, 4]}]}', "Of 'a.jpg' it holds no five points under kps"),
        ("x.json", '[{"kps": []}]', "A record has none of the keys image_id, image"),
        ("x.json", "{}", "It holds no face"),
        ("x.json", "no json", "does not give landmarks"),
        ("x.json", "3", "neither an object of faces by image nor a list"),
    ],
)
def test_a_file_of_something_else_is_told_what_is_read(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(LandmarksError, match=message) as error:
        read_landmarks(tmp_path / name)
    assert "insightface (kps), mtcnn (keypoints), retina-face" in str(error.value)
