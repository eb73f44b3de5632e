import numpy as np
import pytest
from kedro.io.core import DatasetError

from faceleak.auditing.faces import list_faces, list_quarantine, open_source
from faceleak.faces.images import encode_jpeg
from faceleak.faces.options import FacesOptions
from faceleak.faces.quarantine import QuarantineError
from faceleak.runs.datasets.rooms import FaceStoreDataset
from faceleak.work.compute import ComputeOptions

ROLES = {"roles": {"member": {"people": 1}, "unseen_identity": {"people": 1}}}


@pytest.fixture
def packed(tmp_path):
    """Pack 50 people with two images each, of which `small` are 20 pixels wide; open the store."""

    def pack(small: int, names=lambda number: f"person_{number:02d}", **options):
        for number in range(100):
            file = tmp_path / "people" / names(number // 2) / f"{number % 2}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                file.write_bytes(encode_jpeg(np.full((40, 20 if number < small else 40, 3), 2 * number, np.uint8)))
        (tmp_path / "people" / "person_07" / "2.heic").write_bytes(b"\0\0\0\x18ftypheic")
        faces = {"source": "folder", "folder": {"path": tmp_path / "people"}, "splits": ROLES, **options}
        data = FaceStoreDataset(str(tmp_path / "faces.arrow"))
        data.save(open_source(FacesOptions.model_validate(faces), ComputeOptions(device="cpu", workers=1)))
        return data.load()

    return pack


def test_small_images_are_left_out_where_the_option_allows_it_and_the_terminal_shows_a_few(packed, caplog):
    with pytest.raises(
        DatasetError, match=r"7 of the first 100 images .* cannot be used, more than the 1\.0%"
    ) as caught:
        packed(7)
    assert isinstance(caught.value.__cause__, QuarantineError)
    caplog.clear()
    quarantine = list_quarantine(packed(7, quarantine={"maximum_share": 0.07}))
    assert len(quarantine) == 8
    assert quarantine["count"].sum() == 8
    told = caplog.messages[-1]
    assert "left out of the store: 8. quarantine.csv lists them:" in told
    assert told.count("20×40 pixels, smaller than the 32 of faces.validation.minimum_size") == 5
    assert told.endswith("- … and 3 more")


def test_whatever_was_left_out_is_told_again_where_the_store_is_not_packed_again(packed, caplog):
    packed(0)
    caplog.clear()
    list_quarantine(packed(0))
    (told,) = caplog.messages
    assert told.startswith("Images and files left out of the store: 1. quarantine.csv lists them:\n- Not taken from")
    assert "their format is not read: 1 (HEIC 1), such as person_07/2.heic. Convert them" in told


def test_people_whose_names_differ_only_in_case_are_told(packed, caplog):
    store = packed(0, lambda number: "Anna" if number == 8 else f"person_{number:02d}")
    assert list_faces(store)["identity"].nunique() == 50
    assert not any("told apart" in line for line in caplog.messages)
    (store.path.parent / "people" / "person_09").rename(store.path.parent / "people" / "anna")
    list_faces(packed(0))
    assert "so that 'Anna' and 'anna' are two. Such pairs" in caplog.text
    assert "accents: 1." in caplog.text
