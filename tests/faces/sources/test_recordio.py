import logging
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.common.errors import FaceleakError
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
def test_a_file_that_was_cut_is_read_up_to_the_cut_and_says_so(kept, cut, recordio, images, written_recordio):
    offsets = written_recordio(recordio, images)
    recordio.write_bytes(recordio.read_bytes()[: offsets[kept + 1] + cut])
    there = kept - (cut < 0)
    if there == 0:
        with pytest.raises(SourceError, match="holds none of the 6 images"):
            len(RecordFaces(recordio))
        return
    source = RecordFaces(recordio)
    assert [image.content for image in source.read(0)] == [jpeg for _, jpeg in images[:there]]
    (loss,) = source.losses()
    assert f"was cut: {there} of the 6 images" in loss.reason
    assert loss.count == 6 - there


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


def laid_out(folder: Path, *payloads: bytes, first_key: int = 0) -> Path:
    """A RecordIO of whole records, byte by byte as dmlc-core writes them, and its index."""
    content, index = b"", ""
    for key, payload in enumerate(payloads, first_key):
        index += f"{key}\t{len(content)}\n"
        content += b"\x0a\x23\xd7\xce" + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)
    (folder / "train.rec").write_bytes(content)
    (folder / "train.idx").write_text(index)
    return folder / "train.rec"


def by_im2rec(key: int, jpeg: bytes, *labels: float) -> bytes:
    """A payload as im2rec packs it: one label in the header, or with --pack-label several behind it."""
    if len(labels) == 1:
        return struct.pack("<IfQQ", 0, labels[0], key, 0) + jpeg
    return struct.pack(f"<IfQQ{len(labels)}f", len(labels), 0.0, key, 0, *labels) + jpeg


def people_and_keys(path: Path) -> list[tuple[str, str, bytes]]:
    return [(image.image_id, image.identity, image.content) for image in RecordFaces(path).read(0)]


CONTENTS = [b"\xff\xd8\xff" + bytes([number]) * (number + 1) for number in range(5)]  # of every length modulo 4


def test_insightfaces_layout_has_a_header_images_and_ranges_of_people(tmp_path):
    images = [struct.pack("<IfQQ", 0, number // 2, number, 0) + CONTENTS[number] for number in range(4)]
    people = [struct.pack("<IfQQ2f", 2, 0.0, 0, 0, start, start + 2) for start in (1, 3)]
    path = laid_out(tmp_path, struct.pack("<IfQQ2f", 2, 0.0, 0, 0, 5, 7), *images, *people)
    expected = [(f"{key:09d}", str((key - 1) // 2), CONTENTS[key - 1]) for key in range(1, 5)]
    assert people_and_keys(path) == expected
    assert RecordFaces(path).losses() == []
    path.with_suffix(".idx").unlink()
    assert people_and_keys(path) == expected
    assert RecordFaces(path).losses() == []


@pytest.mark.parametrize("labels", [(), (1.0,), (-1.0, 40.0, 0.25)], ids=["plain", "--pack-label", "many labels"])
@pytest.mark.parametrize("index", [True, False], ids=["with index", "without"])
def test_all_records_of_im2rec_are_images_and_the_first_label_is_the_person(index, labels, tmp_path, caplog):
    path = laid_out(tmp_path, *(by_im2rec(key, CONTENTS[key], 3.0 - key // 2, *labels) for key in range(5)))
    if not index:
        path.with_suffix(".idx").unlink()
    with caplog.at_level(logging.INFO):
        assert people_and_keys(path) == [(f"{key:09d}", str(3 - key // 2), CONTENTS[key]) for key in range(5)]
    assert RecordFaces(path).losses() == []
    sentence = f"has {len(labels) + 1} labels: the first of them is the person"
    told = {line for line in caplog.messages if sentence in line}  # by each object that reads the file
    assert len(told) == bool(labels)
    assert any("There is no " in line for line in caplog.messages) is not index


def test_keys_of_im2rec_may_be_shuffled_and_have_gaps(tmp_path):
    path = laid_out(tmp_path, *(by_im2rec(key, CONTENTS[key], float(key)) for key in range(3)))
    path.with_suffix(".idx").write_text(
        "".join(
            f"{key}\t{line.split()[1]}\n" for key, line in zip((40, 0, 7), path.with_suffix(".idx").open(), strict=True)
        )
    )
    assert [(key, person) for key, person, _ in people_and_keys(path)] == [
        ("000000000", "1"), ("000000007", "2"), ("000000040", "0"),
    ]  # fmt: skip
    assert RecordFaces(path).losses() == []


@pytest.mark.parametrize("index", [True, False], ids=["with index", "without"])
@pytest.mark.parametrize("labels", [(1.0,), (1.0, 2.0)], ids=["plain", "--pack-label"])
def test_a_split_first_record_of_im2rec_is_put_together(labels, index, tmp_path):
    content = b"\xff\xd8\xff\xe0" * (2 if len(labels) == 2 else 1) + struct.pack("<I", MAGIC) + b"rest"
    whole = by_im2rec(0, content, *labels)
    place = whole.index(struct.pack("<I", MAGIC))
    assert place % 4 == 0
    first = struct.pack("<II", MAGIC, 1 << 29 | place) + whole[:place]
    last = struct.pack("<II", MAGIC, 3 << 29 | 4) + b"rest"
    path = laid_out(tmp_path, by_im2rec(1, CONTENTS[1], 5.0, 5.0))
    path.write_bytes(first + last + path.read_bytes())
    path.with_suffix(".idx").write_text(f"0\t0\n1\t{len(first + last)}\n")
    if not index:
        path.with_suffix(".idx").unlink()
    assert people_and_keys(path) == [("000000000", "1", content), ("000000001", "5", CONTENTS[1])]


@pytest.mark.parametrize("label", [1.5, -1.0, float("nan"), float("inf")])
def test_a_first_label_that_is_no_whole_number_names_the_record(label, tmp_path):
    path = laid_out(tmp_path, by_im2rec(0, CONTENTS[0], label, 1.0), by_im2rec(1, CONTENTS[1], 1.0, 1.0))
    first, second = RecordFaces(path).read(0)
    assert (first.image_id, first.identity, second.identity) == ("000000000", "", "1")
    assert first.problem == f"Its label is {label}; a person is a whole number."


def test_a_record_without_an_image_is_named(tmp_path):
    path = laid_out(tmp_path, *(by_im2rec(key, CONTENTS[0] * (key != 1), 1.0) for key in range(3)), first_key=1)
    assert [bool(image.problem) for image in RecordFaces(path).read(0)] == [False, True, False]


@pytest.mark.parametrize("left", [slice(0, 3), slice(2, 5), slice(0, 5, 2)], ids=["last", "first", "between"])
def test_records_that_the_index_does_not_list_are_counted(left, tmp_path):
    path = laid_out(tmp_path, *(by_im2rec(key, CONTENTS[key], 1.0, 2.0) for key in range(5)))
    lines = path.with_suffix(".idx").read_text().splitlines(keepends=True)
    path.with_suffix(".idx").write_text("".join(lines[left]))
    (loss,) = RecordFaces(path).losses()
    assert len(RecordFaces(path)) + loss.count == 5
    assert f"does not list, so they are not read: {loss.count}. Copy both files again" in loss.reason


def test_without_an_index_a_damaged_record_ends_the_reading_and_says_so(tmp_path):
    path = laid_out(tmp_path, *(by_im2rec(key, CONTENTS[key], 1.0) for key in range(5)))
    place = int(path.with_suffix(".idx").read_text().splitlines()[3].split()[1])
    path.with_suffix(".idx").unlink()
    content = path.read_bytes()
    path.write_bytes(content[:place] + b"\0" + content[place + 1 :])
    assert len(RecordFaces(path)) == 3
    (loss,) = RecordFaces(path).losses()
    assert f"no sound record at byte {place}" in loss.reason
    assert "Without train.idx, what comes after that place cannot be read" in loss.reason


def test_without_an_index_a_cut_file_is_read_up_to_the_cut(tmp_path):
    path = laid_out(tmp_path, *(by_im2rec(key, CONTENTS[key], 1.0) for key in range(5)))
    path.with_suffix(".idx").unlink()
    path.write_bytes(path.read_bytes()[:-9])
    assert len(RecordFaces(path)) == 4
    assert "was cut: 4 of the 5 images in train.rec are whole" in RecordFaces(path).losses()[0].reason


def test_a_file_of_anything_else_without_an_index_is_refused(recordio):
    recordio.with_suffix(".idx").unlink()
    recordio.write_bytes(b"some words that are no record")
    with pytest.raises(SourceError, match=r"train\.rec does not begin with a readable record"):
        len(RecordFaces(recordio))


def read_all(source: RecordFaces) -> None:
    for image in source.read(0):
        assert image.problem or image.identity
    assert all(loss.reason and loss.count > 0 for loss in source.losses())


changes = st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=8)), max_size=8)


@given(changes, changes, st.integers(0, 5000), st.booleans())
def test_any_bytes_end_in_images_or_a_clear_error_and_little_memory(tmp_path_factory, written, of_index, cut, indexed):
    from .conftest import gray_jpeg, write_recordio

    path = tmp_path_factory.mktemp("fuzz") / "train.rec"
    write_recordio(path, [(float(number), gray_jpeg(40 * number)) for number in range(4)])
    for file, edits in ((path, written), (path.with_suffix(".idx"), of_index)):
        content = bytearray(file.read_bytes())
        for place, value in edits:
            at = place % len(content)
            content[at : at + len(value)] = value
        file.write_bytes(content[: cut or None] if file is path else content)
    if not indexed:
        path.with_suffix(".idx").unlink()
    tracemalloc.start()
    try:
        read_all(RecordFaces(path))
    except FaceleakError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20
