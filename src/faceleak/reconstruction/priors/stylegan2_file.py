"""Converted StyleGAN2 generators: one safetensors file, whose metadata says what network it is and where it comes from.

The weights are as they act: equalized learning rates and other runtime gains are multiplied in. Metadata: `format`,
`version`, `shape` (JSON of `stylegan2_network.Shape`), `source_format`, `source_sha256`.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor

from faceleak.backbones.checkpoint import listed, sha256_of_file
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.reconstruction.priors.stylegan2_network import Shape, StyleGAN2
from faceleak.work.compute import seeded
from faceleak.work.tasks import writing

FORMAT, VERSION = "faceleak-stylegan2", "1"
CONVERT = "python -m faceleak.reconstruction.priors.convert CHECKPOINT OUT.safetensors"


def save_stylegan2(path: Path, shape: Shape, weights: Mapping[str, Tensor], source: Mapping[str, str]) -> None:
    """Write a converted generator, whole or not at all. source: `source_format` and `source_sha256`.

    Raises PriorError where the weights do not fit the shape or are not finite.
    """
    from safetensors.torch import save_file

    check_weights(shape, weights, source.get("source_format", "the source"))
    metadata = {"format": FORMAT, "version": VERSION, "shape": shape.model_dump_json(), **source}
    with writing(path) as partial:
        save_file({name: tensor.float().contiguous() for name, tensor in weights.items()}, partial, metadata)


def load_stylegan2(path: Path, sha256: str | None = None) -> StyleGAN2:
    """Load a converted generator on the CPU, in eval mode, without gradients for its weights.

    Raises PriorError where the file is missing, damaged, of another kind, or not the one that `sha256` pins.
    """
    from safetensors.torch import load_file

    if not path.is_file():
        raise missing(path)
    if sha256 is not None and (found := sha256_of_file(path)) != sha256.lower():
        raise PriorError(
            f"{path} has SHA-256 {found}, but {sha256.lower()} was expected (reconstruction.prior.stylegan2.sha256): "
            "it is another file than the one described. Get the right file, or correct the hash where this one is to "
            "be trusted."
        )
    shape = read_shape(path)
    weights = load_file(path)
    check_weights(shape, weights, str(path))
    with seeded(0):
        network = StyleGAN2(shape)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def read_shape(path: Path) -> Shape:
    """Read from the metadata what network it is. Raises PriorError where the file does not say so."""
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except Exception as error:  # of a damaged file, or one of another format
        raise PriorError(f"{path} is damaged or no safetensors file ({error}). Convert again: {CONVERT}") from error
    if (metadata.get("format"), metadata.get("version")) != (FORMAT, VERSION):
        raise PriorError(
            f"{path} is not a converted StyleGAN2 generator that this version reads ({FORMAT} {VERSION}). Convert the "
            f"checkpoint: {CONVERT}"
        )
    try:
        return Shape.model_validate_json(metadata.get("shape", ""))
    except ValidationError as error:
        raise PriorError(f"{path} does not describe its network. Convert again: {CONVERT}") from error


def check_weights(shape: Shape, weights: Mapping[str, Tensor], origin: str) -> None:
    """Raise PriorError where names or sizes are not those of the network, or values are not finite."""
    with torch.device("meta"):  # nothing is allocated before the sizes are known to fit
        expected = {name: tuple(tensor.shape) for name, tensor in StyleGAN2(shape).state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise PriorError(
            f"{origin} does not hold a StyleGAN2 generator with skip connections: {len(wrong)} tensors are missing, "
            f"unexpected or of another size ({listed(wrong)})."
        )
    if broken := [name for name, tensor in weights.items() if not tensor.isfinite().all()]:
        raise PriorError(f"{origin} has values that are not finite in {listed(broken)}. Take another checkpoint.")


def missing(path: Path) -> PriorError:
    """The error for a file that is not there."""
    return PriorError(f"There is no file {path} (reconstruction.prior.stylegan2.weights). Make it: {CONVERT}")
