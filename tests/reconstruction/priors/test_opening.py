import shutil
from pathlib import Path

import pytest
import torch

from faceleak.pieces import code_version
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.errors import PriorError
from faceleak.reconstruction.priors.opening import CODE, ROOM, code_of, identity_of
from faceleak.reconstruction.priors.options import PriorOptions

CPU = torch.device("cpu")
DEMO = PriorOptions.model_validate("demo")


def _stylegan2(path: Path, **options: object) -> PriorOptions:
    return PriorOptions.model_validate({"stylegan2": {"weights": str(path), **options}})


def test_the_demo_prior_draws_faces_that_depend_on_their_own_latent_alone() -> None:
    prior = load_prior(DEMO, CPU)
    latents = torch.randn(3, prior.latent_size, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    faces = prior.faces(latents)
    assert faces.shape == (3, 3, 64, 64)
    assert faces.min() >= 0
    assert faces.max() <= 1
    assert faces.std() > 0.05
    (gradient,) = torch.autograd.grad(faces[1].sum(), latents)
    assert gradient[1].abs().min() > 0
    assert torch.equal(gradient[[0, 2]], torch.zeros(2, prior.latent_size))


def test_a_prior_is_framed_as_configured(converted: Path) -> None:
    options = _stylegan2(converted).model_copy(update={"image_size": 32})
    faces = load_prior(options, CPU).faces(torch.randn(2, 7))
    assert faces.shape == (2, 3, 32, 32)
    assert "faceleak.reconstruction.priors.framing" in code_of(options)
    assert "faceleak.reconstruction.priors.framing" not in code_of(_stylegan2(converted))


def test_a_prior_is_named_by_its_options_and_weights_wherever_they_lie(converted: Path, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere.safetensors"
    shutil.copy(converted, copied)
    assert identity_of(_stylegan2(converted)) == identity_of(_stylegan2(copied))
    for change in ({"latent_space": "w"}, {"truncation": 0.5}, {"noise": "none"}):
        assert identity_of(_stylegan2(converted)) != identity_of(_stylegan2(converted, **change))
    content = bytearray(copied.read_bytes())
    content[-1] ^= 1
    copied.write_bytes(content)
    assert identity_of(_stylegan2(converted)) != identity_of(_stylegan2(copied))
    assert identity_of(DEMO) != identity_of(DEMO.model_copy(update={"image_size": 32}))
    with pytest.raises(PriorError, match="There is no file"):
        identity_of(_stylegan2(tmp_path / "none.safetensors"))


@pytest.mark.parametrize("kind", CODE)
def test_the_code_that_a_prior_depends_on_can_be_hashed(kind: str) -> None:
    assert code_version(*(f"{ROOM}.{name}" for name in CODE[kind]))
