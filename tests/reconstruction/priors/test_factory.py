import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from faceleak.backbones.checkpoint import BackboneError, sha256_of_file
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.errors import PriorError
from faceleak.reconstruction.priors.opening import identity_of
from faceleak.reconstruction.priors.options import PriorOptions

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def generators(monkeypatch: pytest.MonkeyPatch) -> None:
    """`generators:Blocks` can be imported, as a user's own module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop("generators", None)


def _options(**changes: object) -> PriorOptions:
    given = {"factory": "generators:Blocks", "latent_size": 5, "output_range": [0, 255]}
    return PriorOptions.model_validate(given | changes)


def test_a_generator_of_the_users_own_draws_faces_from_black_to_white() -> None:
    from generators import Blocks

    prior = load_prior(_options(), CPU)
    latents = prior.space.draw(4, torch.Generator().manual_seed(0)).requires_grad_(True)
    faces = prior.faces(latents)
    assert torch.allclose(faces, Blocks()(latents) / 255)
    assert faces.shape == (4, 3, 8, 8)
    assert 0 <= faces.min() < faces.max() <= 1
    (gradient,) = torch.autograd.grad(faces[1].sum(), latents)
    assert gradient[1].abs().min() > 0
    assert torch.equal(gradient[0], torch.zeros(5))
    assert torch.allclose(load_prior(_options(output_range=[255, 0]), CPU).faces(latents), 1 - faces, atol=1e-6)


def test_its_weights_are_loaded_and_pinned(tmp_path: Path) -> None:
    from generators import Blocks

    other, path = Blocks(seed=7), tmp_path / "gan.safetensors"
    save_file(other.state_dict(), path)
    latents = torch.randn(2, 5)
    prior = load_prior(_options(weights=str(path), sha256=sha256_of_file(path)), CPU)
    assert torch.allclose(prior.faces(latents), other(latents) / 255)
    with pytest.raises(BackboneError, match="SHA-256"):
        load_prior(_options(weights=str(path), sha256="0" * 64), CPU)
    save_file({"linear.weight": torch.ones(2)}, path)
    with pytest.raises(BackboneError, match=r"1 missing \(linear.bias\)"):
        load_prior(_options(weights=str(path)), CPU)


def test_what_is_no_generator_is_refused() -> None:
    with pytest.raises(PriorError, match=r"cannot take latents of shape \(2, 6\)"):
        load_prior(_options(latent_size=6), CPU)
    with pytest.raises(PriorError, match=r"gives \(2, 1, 8, 8\) for two latents"):
        load_prior(_options(arguments={"channels": 1}), CPU)


def test_weights_that_come_with_the_class_name_the_prior() -> None:
    same, other = _options(arguments={"seed": 0}), _options(arguments={"seed": 1})
    assert identity_of(same)[1] == identity_of(_options())[1] != identity_of(other)[1]
    assert identity_of(same) != identity_of(_options())
