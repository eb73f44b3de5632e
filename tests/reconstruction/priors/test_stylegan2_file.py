from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from faceleak.backbones.checkpoint import sha256_of_file
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.reconstruction.priors.stylegan2_file import load_stylegan2


def test_what_is_loaded_is_pinned_by_its_hash(converted: Path) -> None:
    found = sha256_of_file(converted)
    assert load_stylegan2(converted, found.upper()).shape.resolution == 16
    with pytest.raises(PriorError, match=f"{found}, but {'1' * 64} was expected"):
        load_stylegan2(converted, "1" * 64)


def test_other_files_are_refused(converted: Path, tmp_path: Path) -> None:
    with pytest.raises(PriorError, match=r"There is no file .*Make it: python -m"):
        load_stylegan2(tmp_path / "none.safetensors")
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(PriorError, match="not a converted StyleGAN2"):
        load_stylegan2(path)
    path.write_bytes(converted.read_bytes()[:1000])
    with pytest.raises(PriorError, match="damaged"):
        load_stylegan2(path)


@pytest.mark.parametrize("shape", ["", '{"resolution": 16}', "[]"])
def test_a_file_that_does_not_describe_its_network_is_refused(converted: Path, tmp_path: Path, shape: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file(load_file(converted), path, {"format": "faceleak-stylegan2", "version": "1", "shape": shape})
    with pytest.raises(PriorError, match="does not describe"):
        load_stylegan2(path)


def test_a_claimed_size_is_not_allocated(converted: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    shape = (
        '{"resolution": 16, "z_size": 65536, "w_size": 65536, "mapping_layers": 64, "channels": [65536, 65536, 65536]}'
    )
    save_file(load_file(converted), path, {"format": "faceleak-stylegan2", "version": "1", "shape": shape})
    with pytest.raises(PriorError, match="of another size"):
        load_stylegan2(path)
