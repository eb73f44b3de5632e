"""Bad input ends with one clear message, exit code 1, no stack trace, and leaves earlier results untouched."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from .conftest import kedro

pytestmark = pytest.mark.slow


def fill_folder(folder: Path, people: int, images: int = 2) -> None:
    random = np.random.default_rng(0)
    for person in range(people):
        (folder / f"person_{person}").mkdir(parents=True)
        for image in range(images):
            pixels = random.integers(0, 255, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"person_{person}" / f"{image}.jpg")


def truncated_jpeg(folder: Path) -> None:
    path = folder / "person_0" / "0.jpg"
    path.write_bytes(path.read_bytes()[:300])


def text_named_jpeg(folder: Path) -> None:
    (folder / "person_0" / "0.jpg").write_text("not an image at all")


def huge_png(folder: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1_000_000)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (folder / "person_0" / "0.png").write_bytes(content)


def one_person(folder: Path) -> None:
    for person in list(folder.iterdir())[1:]:
        shutil.rmtree(person)


def missing(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (truncated_jpeg, ["person_0/0.jpg", "damaged"]),
        (text_named_jpeg, ["person_0/0.jpg", "not an image"]),
        (huge_png, ["person_0/0.png", "far more pixels than a face needs", "at most 25,000,000"]),
        (one_person, ["1 people", "needs several"]),
        (missing, ["There is no folder", "faces.folder.path"]),
    ],
)
def test_bad_faces(project: Path, spoil: Callable[[Path], None], expected: list[str]) -> None:
    earlier = project / "data/smoke/02_intermediate/faces.arrow"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"an earlier store")
    faces = project / "people"
    fill_folder(faces, people=3)
    spoil(faces)
    run = kedro(
        project, "run", "--env=smoke", "--pipelines=faces", "--params=faces.source=folder,faces.folder.path=people"
    )
    assert_clear_end(run.returncode, run.stdout + run.stderr, expected)
    assert earlier.read_bytes() == b"an earlier store"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("target.train.epoch=3", ["target.train.epoch", "unknown key", "3"]),
        ("bootstrap.resamples=7", ["bootstrap.resamples", "7", "greater than or equal to 100"]),
        ("membership.attacks.bn_distance.signals=[bn_distanse]", ["bn_distanse", "Did you mean 'bn_distance'"]),
        ("target.train.architecture=iresnet_demoo", ["iresnet_demoo", "Did you mean 'iresnet_demo'"]),
    ],
)
def test_bad_parameters_stop_the_run_before_any_work(project: Path, parameters: str, expected: list[str]) -> None:
    run = kedro(project, "run", "--env=smoke", "--pipelines=faces", f"--params={parameters}")
    assert_clear_end(run.returncode, run.stdout + run.stderr, expected)
    assert not (project / "data").exists()


def test_weights_of_another_shape(audited: Path) -> None:
    weights = audited / "weights.pt"
    torch.save({"conv1.weight": torch.zeros(3, 3, 3, 3), "extra": torch.zeros(1)}, weights)
    target = audited / "data/smoke/06_models/target/backbone.safetensors"
    before = target.read_bytes()
    parameters = "target.source=load,target.load.architecture=iresnet_tiny,target.load.embedding_size=32"
    run = kedro(
        audited, "run", "--env=smoke", "--pipelines=target", f"--params={parameters},target.load.weights=weights.pt"
    )
    expected = ["do not fit the architecture iresnet_tiny", "missing", "unexpected (extra)", "of another shape (conv1"]
    assert_clear_end(run.returncode, run.stdout + run.stderr, expected)
    assert target.read_bytes() == before


def assert_clear_end(returncode: int, output: str, expected: list[str]) -> None:
    assert returncode == 1, output
    assert "Traceback" not in output
    assert output.count("Error:") == 1, output
    flat = " ".join(output.split())
    for words in expected:
        assert words in flat, output
