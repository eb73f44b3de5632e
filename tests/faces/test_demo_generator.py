from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from faceleak.faces import demo_generator
from faceleak.faces.demo_generator import LATENT_SIZE, WEIGHTS_FILE, DemoWeightsError, load_demo_generator

INSTALL = r"pip install --no-deps --ignore-requires-python gan-face-generate==1\.1\.1"


class RecordedFile:
    """A file as an installed distribution records it."""

    def __init__(self, name: str, place: Path) -> None:
        self.name, self.place = name, place

    def __str__(self) -> str:
        return self.name

    def locate(self) -> Path:
        return self.place


def test_latents_become_images_one_by_one_as_in_a_batch():
    generator = load_demo_generator()
    latents = torch.randn(3, LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    images = generator(latents)
    assert images.shape == (3, 3, 64, 64)
    assert images.abs().max() <= 1
    torch.testing.assert_close(images, torch.cat([generator(latent[None]) for latent in latents]), atol=1e-5, rtol=0)
    assert (images.std(dim=(1, 2, 3)) > 0.2).all()
    assert (images[0] - images[1]).abs().mean() > 0.1


def test_the_generator_is_frozen_but_passes_gradients_to_latents():
    generator = load_demo_generator()
    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    latents = torch.ones(1, LATENT_SIZE, requires_grad=True)
    generator(latents).square().sum().backward()
    assert latents.grad.abs().sum() > 0


def missing_package(_: str) -> list[RecordedFile]:
    raise PackageNotFoundError


@pytest.mark.parametrize(
    "recorded",
    [
        pytest.param(missing_package, id="package missing"),
        pytest.param(lambda _: None, id="package without a record"),
        pytest.param(lambda _: [RecordedFile("other.py", Path(__file__))], id="file not recorded"),
        pytest.param(lambda _: [RecordedFile(WEIGHTS_FILE, Path("gone.tar"))], id="file deleted"),
    ],
)
def test_missing_weights_are_answered_with_the_command_that_installs_them(recorded, monkeypatch):
    monkeypatch.setattr(demo_generator, "files", recorded)
    with pytest.raises(DemoWeightsError, match=INSTALL):
        load_demo_generator()


def test_other_weights_are_refused(monkeypatch, tmp_path):
    other = tmp_path / "weights.tar"
    other.write_bytes(b"other weights")
    monkeypatch.setattr(demo_generator, "files", lambda _: [RecordedFile(WEIGHTS_FILE, other)])
    with pytest.raises(DemoWeightsError, match=f"another version.*{INSTALL}"):
        load_demo_generator()
