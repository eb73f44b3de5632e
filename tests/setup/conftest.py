"""Faces of plain colors and a small backbone, as a non-member would bring them, beside a project's configuration."""

from pathlib import Path

import numpy as np
import pytest
import torch

from faceleak.backbones.architectures import build
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.faces.images import encode_jpeg
from faceleak.work.compute import seeded

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, in which the command is run."""
    (tmp_path / "conf").mkdir()
    for folder in (PROJECT / "conf").iterdir():
        (tmp_path / "conf" / folder.name).symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_people(folder: Path, people: int, images: int = 4, start: int = 0) -> Path:
    """One folder a person, each with so many pictures of noise around a color of the person's."""
    random = np.random.default_rng(start)
    for number in range(start, start + people):
        (folder / f"person_{number:03d}").mkdir(parents=True)
        coarse = random.integers(0, 200, (4, 4, 3))
        for image in range(images):
            pixels = np.kron(coarse, np.ones((8, 8, 1))) + random.integers(0, 55, (32, 32, 3))
            (folder / f"person_{number:03d}" / f"{image}.jpg").write_bytes(encode_jpeg(pixels.astype(np.uint8)))
    return folder


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """40 people with 4 images each."""
    return write_people(tmp_path / "people", 40)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The state dict of an untrained network for 32×32, inside a checkpoint of a training, with its head."""
    card = BackboneCard(architecture="iresnet_tiny", embedding_size=16, preprocessing=Preprocessing(image_size=32))
    with seeded(0):
        state = build(card).state_dict()
    named = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "state_dict": named, "head": {"weight": torch.zeros(7, 16)}}, tmp_path / "last.pth")
    return tmp_path / "last.pth"
