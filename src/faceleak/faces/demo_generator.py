"""The generator behind the demo faces: a DCGAN (arXiv 1511.06434) trained on rendered, fictitious people.

Its weights travel in the PyPI package `gan-face-generate`, of which only this one data file is used.
"""

import hashlib
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
from torch import Tensor, nn

from faceleak.common.errors import FaceleakError

PACKAGE = "gan-face-generate"
WEIGHTS_FILE = "gan_face_generate/weights.tar"
WEIGHTS_SHA256 = "0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f"
LATENT_SIZE = 100
INSTALL_COMMAND = f"pip install --no-deps --ignore-requires-python {PACKAGE}==1.1.1"


class DemoWeightsError(FaceleakError):
    """The demo generator's weights are missing or are not the ones that are expected."""


class DemoGenerator(nn.Module):
    """Latents (n, 100), standard normal → images (n, 3, 64, 64), RGB in −1…1."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *_upsampling(LATENT_SIZE, 512, stride=1, padding=0),  # (n, 512, 4, 4)
            *_upsampling(512, 256),  # (n, 256, 8, 8)
            *_upsampling(256, 128),  # (n, 128, 16, 16)
            *_upsampling(128, 64),  # (n, 64, 32, 32)
            nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, latents: Tensor) -> Tensor:
        images: Tensor = self.main(latents[:, :, None, None])
        return images


def _upsampling(inputs: int, outputs: int, stride: int = 2, padding: int = 1) -> list[nn.Module]:
    convolution = nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def load_demo_generator() -> DemoGenerator:
    """Load the generator in eval mode, without gradients for its weights.

    Raises DemoWeightsError if the package is missing or its file has another SHA-256 than expected.
    """
    path = _weights_path()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise DemoWeightsError(
            f"{WEIGHTS_FILE} of {PACKAGE} has SHA-256 {found[:12]}…, expected {WEIGHTS_SHA256[:12]}…: another version, "
            f"so the demo faces would be other ones. Install the right one: {INSTALL_COMMAND}"
        )
    generator = DemoGenerator()
    weights = torch.load(path, map_location="cpu", weights_only=True)["netG_state_dict"]
    generator.load_state_dict(weights)
    return generator.eval().requires_grad_(False)


def _weights_path() -> Path:
    try:
        recorded = files(PACKAGE) or []
    except PackageNotFoundError:
        recorded = []
    for file in recorded:
        if str(file) == WEIGHTS_FILE and (path := Path(str(file.locate()))).is_file():
            return path
    raise DemoWeightsError(
        f"The demo faces are drawn by a generator whose weights come with the package {PACKAGE}, which is not "
        f"installed. Install it: {INSTALL_COMMAND}"
    )
