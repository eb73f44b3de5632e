"""Converts a published StyleGAN2 checkpoint into one safetensors file, once:

python -m faceleak.reconstruction.priors.convert CHECKPOINT OUT.safetensors
"""

import argparse
import sys
from pathlib import Path

from faceleak.backbones.checkpoint import sha256_of_file
from faceleak.common.errors import FaceleakError
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.reconstruction.priors.published import read_official, read_rosinality
from faceleak.reconstruction.priors.stylegan2_file import save_stylegan2
from faceleak.reconstruction.priors.stylegan2_network import Shape

READERS = {
    **dict.fromkeys((".pkl", ".pickle"), ("stylegan2-ada-pytorch", read_official)),
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".safetensors"), ("rosinality", read_rosinality)),
}


def convert(source: Path, target: Path) -> Shape:
    """Write the generator of `source` to `target`; return what network it is. No code of `source` is run.

    Raises PriorError and BackboneError where `source` is no checkpoint that is known, and DiskError.
    """
    if source.suffix not in READERS:
        raise PriorError(
            f"{source} is of no known kind. Give a .pkl of StyleGAN2-ADA's PyTorch code, or a state dict (.pt, .pth, "
            ".ckpt, .safetensors) of rosinality/stylegan2-pytorch."
        )
    if target.suffix != ".safetensors":
        raise PriorError(f"{target} has to end in .safetensors.")
    source_format, read = READERS[source.suffix]
    sha256 = sha256_of_file(source)
    shape, weights = read(source)
    save_stylegan2(target, shape, weights, {"source_format": source_format, "source_sha256": sha256})
    return shape


def main(arguments: list[str]) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m faceleak.reconstruction.priors.convert", description=__doc__)
    parser.add_argument("source", type=Path, metavar="CHECKPOINT")
    parser.add_argument("target", type=Path, metavar="OUT.safetensors")
    given = parser.parse_args(arguments)
    try:
        shape = convert(given.source, given.target)
    except FaceleakError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{given.target}: StyleGAN2, {shape.resolution} pixels, z {shape.z_size}, w {shape.w_size}")  # noqa: T201
    print(f"sha256: {sha256_of_file(given.target)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
