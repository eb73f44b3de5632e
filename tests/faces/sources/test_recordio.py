import logging
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.errors import FaceleakError
from faceleak.faces.sources.recordio import HEADER, KIND_BITS, MAGIC, PREFIX, RecordFaces
from faceleak.faces.sources.source import SourceError


def test_images_are_read_in_the_order_of_their_keys(recordio, images):
    found = list(RecordFaces(recordio).read(0))
    assert [(image.identity, image.content) for image in found] == [(f"{label:.0f}", jpeg) for label, jpeg in images]
    assert [image.image_id for image in found] == [f"{key:09d}" for key in range(1, 7)]
    assert {image.source for image in found} == {"train"}
    assert not any(image.problem for image in found)


def test_reading_goes_on_anywhere(recordio):
    source = RecordFaces(recordio)
    assert list(source.read(4)) == list(source.read(0))[4:]
    assert (len(source), list(source.read(6)), source.losses()) == (6, [], [])


def test_records_about_people_and_the_header_are_no_images(recordio):
    assert recordio.with_suffix(".idx").read_text().count("\n") == 8
    assert len(RecordFaces(recordio)) == 6


def test_without_a_header_record_all_records_are_images(tmp_path, images, written_recordio):
    written_recordio(tmp_path / "plain.rec", images, header=False)
    assert [image.content for image in RecordFaces(tmp_path / "plain.rec").read(0)] == [jpeg for _, jpeg in images]


def test_a_record_that_was_split_at_the_magic_is_put_together(tmp_path, written_recordio):
    magic = struct.pack("<I", MAGIC)
    content = b"abcd" + magic + b"efgh" + magic + magic + b"xy"
    written_recordio(tmp_path / "train.rec", [(0.0, content), (1.0, b"plain")])
    assert [image.content for image in RecordFaces(tmp_path / "train.rec").read(0)] == [content, b"plain"]


def test_several_labels_are_read_and_the_first_is_the_person(tmp_path, written_recordio):
    path = tmp_path / "train.rec"
    offsets = written_recordio(path, [(0.0, b"x" * 12)])
    payload = HEADER.pack(2, 0.0, 1, 0) + struct.pack("<2f", 7, 1) + b"jpeg"
    content = path.read_bytes()
    path.write_bytes(content[: offsets[1]] + PREFIX.pack(MAGIC, len(payload)) + payload + content[offsets[2] :])
    assert [(image.identity, image.content) for image in RecordFaces(path).read(0)] == [("7", b"jpeg")]


@pytest.mark.parametrize(("kept", "cut"), [(3, 0), (3, 5), (3, 40), (1, -9), (4, -9), (5, 400)])
def test_a_file_that_was_cut_is_read_up_to_the_cut_and_says_so(kept, cut, recordio, images, written_recordio, caplog):
    offsets = written_recordio(recordio, images)
    recordio.write_bytes(recordio.read_bytes()[: offsets[kept + 1] + cut])
    there = kept - (cut < 0)
    if there == 0:
        with pytest.raises(SourceError, match="holds none of the 6 images"):
            len(RecordFaces(recordio))
        return
    source = RecordFaces(recordio)
    assert [image.content for image in source.read(0)] == [jpeg for _, jpeg in images[:there]]
    with caplog.at_level(logging.WARNING):
        (loss,) = source.losses()
    assert f"was cut: {there} of the 6 images" in loss.reason
    assert loss.reason in caplog.text


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        pytest.param(0, b"\0\0\0\0", "no sound record at byte", id="magic"),
        pytest.param(4, struct.pack("<I", 7 << KIND_BITS | 8), "no sound record", id="kind of part"),
        pytest.param(4, struct.pack("<I", 3 << KIND_BITS | 8), "no sound record", id="end without a beginning"),
        pytest.param(4, struct.pack("<I", 10), "shorter than its header", id="length"),
        pytest.param(4, struct.pack("<I", (1 << KIND_BITS) - 1), "no sound record", id="half a gigabyte"),
        pytest.param(8, struct.pack("<I", 2**31), "claims 2147483648 labels", id="number of labels"),
        pytest.param(12, struct.pack("<f", float("nan")), "label is nan", id="label nan"),
        pytest.param(12, struct.pack("<f", -1), "label is -1", id="label negative"),
        pytest.param(12, struct.pack("<f", 1.5), "label is 1.5", id="label fraction"),
    ],
)
def test_a_damaged_record_is_reported_and_the_others_are_read(
    place, value, problem, recordio, images, written_recordio
):
    at = written_recordio(recordio, images)[3] + place
    content = recordio.read_bytes()
    recordio.write_bytes(content[:at] + value + content[at + len(value) :])
    found = list(RecordFaces(recordio).read(0))
    assert [bool(image.problem) for image in found] == [False, False, True, False, False, False]
    assert problem in found[2].problem


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ("", "index of lines"),
        ("some words\n", "index of lines"),
        ("0\t0\n1\tx\n", "index of lines"),
        ("0\t0\n1\t10\n1\t20\n", "same key twice"),
        ("-1\t0\n", "negative"),
        ("0\t0\n", "lists no image"),
        ("0\t4\n1\t100\n", "does not begin with a readable record"),
        ("5\t99999999\n", "holds none of the 1 images"),
    ],
)
def test_a_file_that_is_no_index_is_refused(index, reason, recordio):
    recordio.with_suffix(".idx").write_text(index)
    with pytest.raises(SourceError, match=reason):
        len(RecordFaces(recordio))


def test_a_missing_index_is_named(recordio):
    recordio.with_suffix(".idx").unlink()
    with pytest.raises(SourceError, match=r"no file .*train\.idx.*faces\.recordio\.path"):
        len(RecordFaces(recordio))


def read_all(source: RecordFaces) -> None:
    for image in source.read(0):
        assert image.problem or image.identity


changes = st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=8)), max_size=8)


@given(changes, changes, st.integers(0, 5000))
def test_any_bytes_end_in_images_or_a_clear_error_and_little_memory(tmp_path_factory, written, of_index, cut):
    from .conftest import grey_jpeg, write_recordio

    path = tmp_path_factory.mktemp("fuzz") / "train.rec"
    write_recordio(path, [(float(number), grey_jpeg(40 * number)) for number in range(4)])
    for file, edits in ((path, written), (path.with_suffix(".idx"), of_index)):
        content = bytearray(file.read_bytes())
        for place, value in edits:
            at = place % len(content)
            content[at : at + len(value)] = value
        file.write_bytes(content[: cut or None] if file is path else content)
    tracemalloc.start()
    try:
        read_all(RecordFaces(path))
    except FaceleakError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20
