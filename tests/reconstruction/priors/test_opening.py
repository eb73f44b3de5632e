import shutil
from pathlib import Path

import pytest
import torch

from faceleak.reconstruction.priors import load_prior, opening
from faceleak.reconstruction.priors.opening import identity_of
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.work.closure import _read, closure
from faceleak.work.tasks import code_version

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


def test_the_code_that_draws_a_prior_of_any_kind_is_found_by_its_imports() -> None:
    found = closure("faceleak.reconstruction.priors.opening")
    drawing = ("generators", "stylegan2", "stylegan2_file", "stylegan2_network")
    assert {f"faceleak.reconstruction.priors.{name}" for name in drawing} <= set(found)
    assert "faceleak.reconstruction.prior_training.networks" in found


def test_a_generator_of_the_users_own_is_named_by_all_that_it_imports(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "my_generator.py").write_text(
        "from torch import nn\nfrom my_layers import one\n\n\nclass Generator(nn.Module):\n"
        "    def forward(self, latents):\n        return latents[:, :3, None, None] * one()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    options = {"factory": "my_generator:Generator", "latent_size": 4, "output_range": [0, 1]}
    names = []
    for text in ("def one(): return 1", "def one(): return 2", "def one():\n    return 1  # again"):
        (tmp_path / "my_layers.py").write_text(text)
        for remembered in (_read, code_version, opening._factory_hash):
            remembered.cache_clear()
        names.append(identity_of(PriorOptions.model_validate(options)))
    assert names[0] == names[2] != names[1]
