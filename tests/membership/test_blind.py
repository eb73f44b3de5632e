import pandas as pd
import pytest

from faceleak.membership.blind import beside_images
from faceleak.membership.evidence import MissingSignalsError
from faceleak.membership.options import BlindOptions

OF_IMAGES = pd.DataFrame({"image_id": ["a", "b"], "pixel_statistics.blur": [0.5, 0.25]})
READ = pd.DataFrame(
    {
        "reference": ["r1", "r1", "r0", "r0"],
        "image_id": ["b", "a", "a", "b"],
        "bn_distance.bn1": [2.0, 1.0, 10.0, 20.0],
        "bn_distances.bn1": [7.0, 7.0, 7.0, 7.0],
        "reference_similarity.mean": [4.0, 3.0, 30.0, 40.0],
    }
)


def beside(**options) -> dict[str, list]:
    return beside_images(OF_IMAGES, READ, BlindOptions(**options)).to_dict("list")


def test_signals_of_the_first_references_by_hand():
    images = {"image_id": ["a", "b"], "pixel_statistics.blur": [0.5, 0.25]}
    assert beside(references=0) == images
    assert beside(references=1) == images | {"r1.bn_distance.bn1": [1.0, 2.0]}
    both = beside(references=2, reference_signals=["reference_similarity", "bn_distance"])
    assert list(both)[2:] == [
        "r1.reference_similarity.mean",
        "r1.bn_distance.bn1",
        "r0.reference_similarity.mean",
        "r0.bn_distance.bn1",
    ]
    assert both["r1.reference_similarity.mean"] == [3.0, 4.0]
    assert both["r0.bn_distance.bn1"] == [10.0, 20.0]
    assert beside(references=9) == beside(references=2)


def test_what_was_read_among_other_images_is_kept_apart():
    read = READ.assign(**{"other_images.bn_distance.bn1": [5.0, 6.0, 7.0, 8.0], "other_images.x.0": 0.0})
    table = beside_images(OF_IMAGES, read, BlindOptions(references=2)).to_dict("list")
    assert table == beside(references=2) | {
        "other_images.r1.bn_distance.bn1": [6.0, 5.0],
        "other_images.r0.bn_distance.bn1": [7.0, 8.0],
    }


def test_an_image_that_a_reference_lacks_is_an_error():
    with pytest.raises(MissingSignalsError, match="1 of 2 images"):
        beside_images(OF_IMAGES, READ.drop(index=1), BlindOptions())


def test_the_tables_stay_as_they_came():
    before = OF_IMAGES.copy(), READ.copy()
    beside()
    pd.testing.assert_frame_equal(OF_IMAGES, before[0])
    pd.testing.assert_frame_equal(READ, before[1])
