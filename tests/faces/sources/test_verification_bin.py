import os
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.common.errors import FaceleakError
from faceleak.faces.sources.source import SourceError
from faceleak.faces.sources.verification_bin import VerificationFaces

IMAGES = [bytes([number]) * (10 + 200 * number) for number in range(6)]  # of each kind of length
SAME = [True, False, True]


class Harmful:
    """Unpickling it makes a file."""

    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_images_and_pairs_are_read(protocol, tmp_path, written_bin):
    written_bin(tmp_path / "lfw.bin", IMAGES, SAME, protocol)
    source = VerificationFaces(tmp_path / "lfw.bin")
    found = list(source.read(0))
    assert [image.content for image in found] == IMAGES
    assert len({image.identity for image in found}) == len(source) == 6
    assert list(source.read(4)) == found[4:]
    pairs = source.pairs()
    assert pairs["first"].tolist() == ["000000", "000002", "000004"]
    assert pairs["second"].tolist() == ["000001", "000003", "000005"]
    assert pairs["same"].tolist() == SAME


def test_what_python_2_wrote_is_read(tmp_path):
    def text(content: bytes) -> bytes:
        return b"T" + len(content).to_bytes(4, "little") + content + b"q\x02"

    images = b"]q\x01(" + b"".join(map(text, IMAGES[:4])) + b"e"
    (tmp_path / "lfw.bin").write_bytes(b"\x80\x02" + images + b"]q\x03(\x88\x89e\x86q\x04.")
    source = VerificationFaces(tmp_path / "lfw.bin")
    assert [image.content for image in source.read(0)] == IMAGES[:4]
    assert source.pairs()["same"].tolist() == [True, False]


def test_an_image_that_occurs_twice_is_read_twice(tmp_path, written_bin):
    written_bin(tmp_path / "lfw.bin", [IMAGES[1], IMAGES[1]], [True])
    assert [image.content for image in VerificationFaces(tmp_path / "lfw.bin").read(0)] == [IMAGES[1]] * 2


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(protocol, tmp_path):
    harm = tmp_path / "made by unpickling"
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(([b"x", Harmful(harm)], [True]), protocol))
    with pytest.raises(SourceError, match=r"lfw\.bin holds more than images and flags"):
        len(VerificationFaces(tmp_path / "lfw.bin"))
    assert not harm.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"words and no pickle", "damaged", id="text"),
        pytest.param(pickle.dumps((IMAGES, SAME))[:300], "damaged|ends too early", id="cut"),
        pytest.param(pickle.dumps(IMAGES), "not a pair", id="a list"),
        pytest.param(pickle.dumps((SAME, IMAGES)), "not a pair", id="the wrong way round"),
        pytest.param(pickle.dumps((IMAGES, SAME[:2])), "6 images and 2 flags", id="too few flags"),
        pytest.param(pickle.dumps((IMAGES, [1, 2, 3])), "6 images and 3 flags", id="no flags"),
        pytest.param(pickle.dumps(([], [])), "0 images", id="no images"),
        pytest.param(pickle.dumps(([np.zeros(3, np.uint8)] * 2, [True])), "more than images", id="numpy arrays"),
        pytest.param(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f", "damaged", id="exabytes claimed"),
        pytest.param(b"\x80\x02]r\xff\xff\xff\xff.", "not a pair", id="memory at place 4 billion"),
    ],
)
def test_what_is_no_verification_set_is_refused(content, reason, tmp_path):
    (tmp_path / "lfw.bin").write_bytes(content)
    with pytest.raises(SourceError, match=reason) as caught:
        len(VerificationFaces(tmp_path / "lfw.bin"))
    assert "lfw.bin" in str(caught.value)


SAMPLES = [pickle.dumps((IMAGES, SAME), protocol) for protocol in (2, 3, 4)]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=9)), max_size=6),
    st.integers(1, 5000),
)
def test_any_bytes_end_in_images_or_a_clear_error_and_little_memory(tmp_path_factory, sample, changes, cut):
    content = bytearray(sample)
    for place, value in changes:
        at = place % len(content)
        content[at : at + len(value)] = value
    path = tmp_path_factory.mktemp("fuzz") / "lfw.bin"
    path.write_bytes(content[:cut])
    tracemalloc.start()
    try:
        for image in VerificationFaces(path).read(0):
            assert image.identity
    except FaceleakError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20
