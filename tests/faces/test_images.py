import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faceleak.faces import images
from faceleak.faces.images import ImageError, decode_jpeg, encode_jpeg, read_as_jpeg


def encoded(image: Image.Image, form: str, **options) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes with a valid header, black and white, and its first rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(width // 8)) * 16
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_sound_jpeg_is_passed_on_byte_by_byte(smooth_pixels):
    content = encode_jpeg(smooth_pixels)
    assert read_as_jpeg(content, "x") == (content, 48, 40)


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "JPEG"), ("CMYK", "JPEG"), ("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG")]
    + [("RGB", form) for form in ("PNG", "BMP", "TIFF", "PPM")]
    + [("CMYK", "TIFF")],
)
def test_other_formats_and_modes_become_rgb_jpeg(mode, form, smooth_pixels):
    image = Image.fromarray(smooth_pixels).convert(mode)
    content = encoded(image, form)
    jpeg, width, height = read_as_jpeg(content, "x")
    assert (width, height) == (48, 40)
    assert Image.open(io.BytesIO(jpeg)).mode == "RGB"
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert np.abs(decode_jpeg(jpeg) - expected).mean() < (12 if mode in ("1", "P") else 2)  # dithering is hard on JPEG


def test_a_jpeg_that_only_pillow_decodes_is_encoded_anew(smooth_pixels, monkeypatch):
    content = encode_jpeg(smooth_pixels)
    monkeypatch.setattr(images, "_size_of_plain_jpeg", lambda _: None)
    monkeypatch.setattr(images, "_size_if_sound", lambda *_: None)
    jpeg, width, height = read_as_jpeg(content, "x")
    assert jpeg != content
    assert np.abs(decode_jpeg(jpeg).astype(int) - smooth_pixels).mean() < 2
    assert (width, height) == (48, 40)


def with_orientation(pixels: np.ndarray, orientation: int, form: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(pixels), form, exif=exif, **({"quality": 95} if form == "JPEG" else {}))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_is_turned_upright_as_its_exif_data_say(form, smooth_pixels):
    jpeg, width, height = read_as_jpeg(with_orientation(smooth_pixels, 6, form), "x")  # 6: turn it clockwise
    assert (width, height) == (40, 48)
    assert np.abs(decode_jpeg(jpeg).astype(int) - np.rot90(smooth_pixels, -1)).mean() < 3


def test_an_upright_jpeg_with_exif_data_is_passed_on_byte_by_byte(smooth_pixels):
    content = with_orientation(smooth_pixels, 1)
    assert read_as_jpeg(content, "x") == (content, 48, 40)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_gray_keeps_its_upper_8_bits(form, smooth_pixels):
    gray = smooth_pixels[:, :, 0].astype(np.uint16) * 256 + 17
    jpeg, width, height = read_as_jpeg(encoded(Image.fromarray(gray), form), "x")
    assert (width, height) == (48, 40)
    assert np.abs(decode_jpeg(jpeg).astype(int) - smooth_pixels[:, :, :1]).max() <= 6


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "not an image", id="empty"),
        pytest.param(b"these are words, not pixels", "not an image", id="text"),
        pytest.param(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image", id="program for ghostscript"
        ),
        pytest.param(png_claiming(60_000, 60_000), "memory safe", id="3.6 gigapixels"),
        pytest.param(png_claiming(8_000, 6_000), "8000×6000", id="48 megapixels"),
        pytest.param(encoded(Image.new("L", (70_000, 1)), "PNG"), "70000×1", id="too long a side"),
        pytest.param(encoded(Image.effect_noise((64, 64), 80), "PNG")[:1000], "damaged", id="truncated PNG"),
        pytest.param(encoded(Image.new("F", (9, 9), 7), "TIFF"), "16 bits", id="floating point"),
        pytest.param(bytes(images.MAXIMUM_BYTES + 1), "at most 67,108,864", id="65 MB"),
    ],
)
def test_what_is_not_a_usable_image_is_refused_by_name(content, reason):
    with pytest.raises(ImageError, match=reason) as caught:
        read_as_jpeg(content, "anna/1.jpg")
    assert "anna/1.jpg" in str(caught.value)


@pytest.mark.parametrize("kept", [20, 300, 0.5, 0.9])
def test_a_truncated_jpeg_is_refused_by_name(kept, smooth_pixels):
    content = encode_jpeg(smooth_pixels)
    length = kept if kept > 1 else int(kept * len(content))
    with pytest.raises(ImageError, match=r"anna/1\.jpg"):
        read_as_jpeg(content[:length], "anna/1.jpg")


SAMPLES = [
    encoded(Image.radial_gradient("L").resize((24, 16)).convert("RGB"), form) for form in ("JPEG", *images.FORMATS[1:])
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=5))
def test_any_bytes_give_a_decodable_jpeg_of_the_stated_size_or_an_image_error(sample, changes):
    content = bytearray(sample)
    for place, value in changes:
        content[place % len(content)] = value
    try:
        jpeg, width, height = read_as_jpeg(bytes(content), "x")
    except ImageError:
        return
    assert decode_jpeg(jpeg).shape == (height, width, 3)


def test_encoding_and_decoding_keep_colors(smooth_pixels):
    assert np.abs(decode_jpeg(encode_jpeg(smooth_pixels)).astype(int) - smooth_pixels).max() <= 6


def test_damaged_bytes_of_the_store_are_refused_by_name(smooth_pixels):
    with pytest.raises(ImageError, match=r"Image 3 is damaged.*kedro run --pipelines=faces"):
        decode_jpeg(encode_jpeg(smooth_pixels)[:-100], "Image 3")


def test_a_stored_jpeg_that_claims_too_many_pixels_is_not_decoded(smooth_pixels):
    content = bytearray(encode_jpeg(smooth_pixels))
    size = content.index(b"\xff\xc0") + 5  # start of frame: length, precision, height, width
    content[size : size + 4] = struct.pack(">HH", 65_500, 65_500)
    with pytest.raises(ImageError, match="65500×65500"):
        decode_jpeg(bytes(content))
