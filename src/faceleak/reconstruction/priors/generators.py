"""The demo's prior, a generator of the user's own (`package.module:Class`), and the frame that any prior may get."""

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from faceleak.backbones.checkpoint import check_sha256, read_checkpoint
from faceleak.backbones.factories import make
from faceleak.backbones.loading import check_keys
from faceleak.backbones.placing import place_faces
from faceleak.faces.canvas import Canvas
from faceleak.reconstruction.latents import Sphere
from faceleak.reconstruction.priors.options import Crop, PriorOptions
from faceleak.reconstruction.priors.prior import Prior, PriorError
from faceleak.work.compute import seeded

if TYPE_CHECKING:
    from torch import nn


class DemoPrior:
    """The generator that also drew the demo people: the prior knows the distribution, not who was trained on."""

    def __init__(self, device: torch.device) -> None:
        from faceleak.faces.demo_generator import LATENT_SIZE, load_demo_generator

        self.latent_size = LATENT_SIZE
        self.space = Sphere(LATENT_SIZE)
        self._generator = load_demo_generator().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, 100) → faces (n, 3, 64, 64)."""
        images: Tensor = self._generator(latents)
        return (images + 1) / 2


class GeneratorPrior:
    """A network that makes faces of standard normal latents. Raises FactoryError, BackboneError and PriorError."""

    def __init__(self, options: PriorOptions, device: torch.device) -> None:
        assert options.latent_size is not None
        assert options.output_range is not None
        self.latent_size = options.latent_size
        self.space = Sphere(options.latent_size)
        self._black, self._white = options.output_range
        self._generator = build(options).to(device)
        _check_faces(self._generator, options, device)

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, latent_size) → faces (n, 3, height, width)."""
        images: Tensor = self._generator(latents)
        return ((images - self._black) / (self._white - self._black)).clamp(0, 1)


def build(options: PriorOptions) -> "nn.Module":
    """Build the factory's network with its weights, in eval mode, without gradients for them."""
    factory = options.factory or ""
    if options.weights is not None and options.sha256 is not None:
        check_sha256(options.weights, options.sha256)
    with seeded(0):
        network = make(factory, options.arguments)
    if options.weights is not None:
        weights = read_checkpoint(options.weights)
        check_keys(network, weights, str(options.weights), factory)
        network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def state_hash(network: "nn.Module") -> str:
    """SHA-256 over all that a network's state dict holds."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_faces(network: "nn.Module", options: PriorOptions, device: torch.device) -> None:
    size = options.latent_size
    try:
        with torch.inference_mode():
            found = network(torch.zeros(2, size or 0, device=device))
    except Exception as error:  # whatever the network's own code raises
        raise PriorError(
            f"{options.factory} cannot take latents of shape (2, {size}) ({type(error).__name__}: {error}). Set "
            "reconstruction.prior.latent_size to the size that it was trained with."
        ) from error
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if not isinstance(found, Tensor) or found.dim() != 4 or found.shape[:2] != (2, 3):
        raise PriorError(
            f"{options.factory} gives {shape} for two latents, not (2, 3, height, width). A prior gives one RGB image "
            "a latent and nothing else: wrap the network in a class that does so."
        )


class FramedPrior:
    """A prior of whose faces `crop` is kept, scaled to `image_size` pixels a side; None leaves either as it is."""

    def __init__(self, prior: Prior, crop: Crop | None, image_size: int | None) -> None:
        self.latent_size, self.space = prior.latent_size, prior.space
        self._prior, self._crop, self._image_size = prior, crop, image_size

    def faces(self, latents: Tensor) -> Tensor:
        """Latents (n, latent_size) → faces (n, 3, height, width)."""
        faces = self._prior.faces(latents)
        if self._crop is not None:
            faces = cut_out(faces, self._crop)
        return faces if self._image_size is None else place_faces(faces, Canvas.of(self._image_size))


def cut_out(faces: Tensor, crop: Crop) -> Tensor:
    """Keep a part of faces (n, 3, h, w), to the nearest whole pixel and at least one."""
    height, width = faces.shape[-2:]
    rows, columns = _span(crop.top, crop.bottom, height), _span(crop.left, crop.right, width)
    return faces[:, :, rows, columns]


def _span(start: float, end: float, length: int) -> slice:
    first = min(round(start * length), length - 1)
    return slice(first, max(round(end * length), first + 1))
