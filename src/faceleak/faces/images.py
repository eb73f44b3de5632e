"""Reading image bytes that come from outside: header first, size capped, one error class for all that can be wrong."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError, kedro_run

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM")  # no others: some of Pillow's start programs of the system
KNOWN = ", ".join(FORMATS)
MAXIMUM_PIXELS = 25_000_000
MAXIMUM_SIDE = 65_500  # of a JPEG
MAXIMUM_BYTES = 64 << 20  # of an encoded image
PART_MISSING = "premature end of data segment"  # libjpeg's words
JPEG_START, EXIF_MARK = b"\xff\xd8\xff", b"Exif\0\0"
START_BYTES = 32  # tell the format
STARTS = {
    "JPEG": JPEG_START,
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "WEBP": rb"RIFF.{4}WEBP",
    "camera raw": rb"II\*\0.{4}CR|IIU\0|IIR[OS]|FUJIFILM|.{4}ftypcrx",  # before TIFF, which some of them are
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "PPM": rb"P[1-6]\s",
    "GIF": rb"GIF8[79]a",
    "HEIC": rb".{4}ftyp(?:hei|hev|mif1|msf1)",
    "AVIF": rb".{4}ftypavi[fs]",
    "JPEG 2000": rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "Photoshop": rb"8BPS",
}
JPEG_QUALITY = 95


class ImageError(FaceleakError):
    """An image cannot be used: not an image, damaged, or too large."""


def format_of(start: bytes) -> str:
    """The format of a picture by its first `START_BYTES`: one of `FORMATS`, or one that is not read; else nothing."""
    return next((name for name, pattern in STARTS.items() if re.match(pattern, start, re.DOTALL)), "")


def read_as_jpeg(content: bytes, name: str) -> tuple[bytes, int, int]:
    """Check an encoded image of one of `FORMATS`; return JPEG bytes, width and height.

    A sound, upright color JPEG is passed on byte by byte. Anything else is turned upright as its EXIF data say and
    encoded anew as RGB (quality 95, full color resolution): gray, CMYK and palettes are converted, transparency is
    dropped, 16-bit gray keeps its upper 8 bits. `name` is what the error calls the image. Raises ImageError.
    """
    if size := _size_of_plain_jpeg(content):
        return content, *size
    image = _open(content, name)
    if image.format == "JPEG" and image.mode != "CMYK":
        size = _size_if_sound(content, name)
        if size and image.mode == "RGB" and _is_upright(image):
            return content, *size
    pixels = _rgb(image, name)
    return encode_jpeg(pixels), pixels.shape[1], pixels.shape[0]


def _size_of_plain_jpeg(content: bytes) -> tuple[int, int] | None:
    """Width and height of a sound color JPEG without EXIF data: no need to ask Pillow."""
    import simplejpeg

    if len(content) > MAXIMUM_BYTES or not content.startswith(JPEG_START) or EXIF_MARK in content:
        return None
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(content)
        if colors != "YCbCr" or height * width > MAXIMUM_PIXELS:
            return None
        simplejpeg.decode_jpeg(content, "RGB")
    except ValueError:
        return None
    return width, height


def _size_if_sound(content: bytes, name: str) -> tuple[int, int] | None:
    """Width and height of a JPEG that the store decodes. Raises ImageError if a part of the picture is missing."""
    try:
        height, width, _ = decode_jpeg(content).shape
    except ImageError as error:
        if PART_MISSING in str(error):  # Pillow would fill it with gray
            raise ImageError(f"{name} is damaged ({PART_MISSING}). Replace the file or remove it.") from error
        return None
    return width, height


def _is_upright(image: "Image") -> bool:
    from PIL.ExifTags import Base

    try:
        return bool(image.getexif().get(Base.Orientation, 1) == 1)
    except Exception:  # damaged EXIF data raise whatever their reader stumbles on; the pixels may be sound
        return True


def _open(content: bytes, name: str) -> "Image":
    from PIL import Image

    if len(content) > MAXIMUM_BYTES:
        raise ImageError(f"{name} has {len(content):,} bytes; at most {MAXIMUM_BYTES:,} are read. Scale it down.")
    if (found := format_of(content[:START_BYTES])) and found not in FORMATS:
        raise ImageError(f"{name} is not an image of a known format ({KNOWN}) but {found}. Convert it to JPEG or PNG.")
    with _decoding(name):
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    if image.width * image.height > MAXIMUM_PIXELS or max(image.size) > MAXIMUM_SIDE:
        raise ImageError(_too_large(name, image.width, image.height))
    if image.mode in ("I", "F"):
        raise ImageError(f"{name} has more than 16 bits a channel (mode {image.mode}). Convert it to 8 bits.")
    return image


def _rgb(image: "Image", name: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    with _decoding(name):
        image.load()  # first: reading EXIF data of a damaged PNG would swallow the error
        if not _is_upright(image):
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return np.asarray(image.convert("RGB"))


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not an image of a known format ({KNOWN}). Remove it.") from error
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(name)) from error
    except Exception as error:  # decoders of damaged bytes raise whatever they stumble on
        raise ImageError(f"{name} is damaged ({error}). Replace the file or remove it.") from error


def decode_gray(content: bytes, side: int) -> NDArray[np.uint8]:
    """Luminance (height, width) of JPEG bytes of the packed store, scaled down to `side` pixels or a few more.

    Raises ImageError if the bytes are damaged.
    """
    import simplejpeg

    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "GRAY", min_height=side, min_width=side)
    except ValueError as error:
        raise ImageError(f"A stored image is damaged ({error}).") from error
    return pixels[..., 0]


def _too_large(name: str, width: int | None = None, height: int | None = None) -> str:
    size = f"claims {width}×{height} pixels" if width else "claims far more pixels than a face needs"
    limit = f"at most {MAXIMUM_PIXELS:,} are decoded and {MAXIMUM_SIDE:,} a side, to keep memory safe"
    return f"{name} {size}; {limit}. Remove it or scale it down."


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode RGB pixels (height, width, 3) as JPEG."""
    import simplejpeg

    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), JPEG_QUALITY, "RGB", "444"))


def decode_jpeg(content: bytes, name: str = "A stored image") -> NDArray[np.uint8]:
    """Decode JPEG bytes of the packed store to RGB pixels (height, width, 3).

    Raises ImageError, which calls the image `name`, if the bytes are damaged or claim more than `MAXIMUM_PIXELS`.
    """
    import simplejpeg

    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(content)
        if height * width <= MAXIMUM_PIXELS:
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB")
            return pixels
    except ValueError as error:
        raise ImageError(f"{name} is damaged ({error}). Delete the store and run: {kedro_run('faces')}") from error
    raise ImageError(_too_large(name, width, height))
