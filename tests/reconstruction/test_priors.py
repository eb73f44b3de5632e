import pytest
import torch

from faceleak.reconstruction.priors import UnknownPriorError, load_prior


def test_the_demo_prior_draws_faces_that_depend_on_their_own_latent_alone() -> None:
    prior = load_prior("demo", torch.device("cpu"))
    latents = torch.randn(3, prior.latent_size, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    faces = prior.faces(latents)
    assert faces.shape == (3, 3, 64, 64)
    assert faces.min() >= 0
    assert faces.max() <= 1
    assert faces.std() > 0.05
    (gradient,) = torch.autograd.grad(faces[1].sum(), latents)
    assert gradient[1].abs().min() > 0
    assert torch.equal(gradient[[0, 2]], torch.zeros(2, prior.latent_size))


def test_an_unknown_prior_is_named_in_the_error() -> None:
    with pytest.raises(UnknownPriorError, match=r"'stylegan'.*Known: demo"):
        load_prior("stylegan", torch.device("cpu"))  # type: ignore[arg-type]
