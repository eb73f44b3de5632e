import torch
from torch import Tensor, nn

from faceleak.backbones.batch_norm import reading
from faceleak.reconstruction.latents import Sphere
from faceleak.reconstruction.options import TargetedOptions
from faceleak.reconstruction.template_inversion import METHODS, fit_linear, invert

OPTIONS = TargetedOptions(people=2, candidates=60, steps=15, learning_rate=0.05, batch_size=7)


class SinglePrior:
    latent_size, space = 6, Sphere(6)

    def __init__(self) -> None:
        self.net = nn.Linear(6, 3 * 4 * 4).requires_grad_(False)
        self.net.weight.normal_(generator=torch.Generator().manual_seed(0))

    def faces(self, latents: Tensor) -> Tensor:
        small = torch.sigmoid(self.net(latents)).view(-1, 3, 4, 4)
        return nn.functional.interpolate(small, scale_factor=8, mode="bilinear")


def test_a_linear_map_is_found_again_and_extrapolates() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = nn.functional.normalize(torch.randn(200, 5, generator=generator), dim=1)
    truth, offset = torch.randn(5, 8, generator=generator), torch.randn(8, generator=generator)
    found = fit_linear(3 * embeddings, embeddings @ truth + offset, 1e-9)
    assert torch.allclose(found.weight, truth, atol=1e-3)
    assert torch.allclose(found.bias, offset, atol=1e-3)
    others = nn.functional.normalize(torch.randn(3, 5, generator=generator), dim=1)
    assert torch.allclose(found.latents(7 * others), others @ truth + offset, atol=1e-3)


def test_a_ridge_beyond_all_bounds_leaves_the_mean() -> None:
    embeddings = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    latents = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    found = fit_linear(embeddings, latents, 1e9)
    assert found.weight.abs().max() < 1e-6
    assert torch.allclose(found.bias, latents.mean(0), atol=1e-5)


def test_climbing_comes_nearer_to_the_template_and_the_target_stays_as_it_is(tiny_backbone) -> None:
    prior, before = SinglePrior(), tiny_backbone.weights_hash()
    with torch.no_grad(), reading(tiny_backbone):
        templates = tiny_backbone(prior.faces(torch.randn(5, 6, generator=torch.Generator().manual_seed(9))))
    found = invert(prior, tiny_backbone, templates, OPTIONS)
    with torch.no_grad(), reading(tiny_backbone):
        cosines = {
            method: nn.functional.cosine_similarity(tiny_backbone(faces), templates)
            for method, (_, faces) in found.items()
        }
    assert tuple(found) == METHODS
    assert (cosines["optimized"] >= torch.maximum(cosines["best_random"], cosines["linear"]) - 0.02).all()
    assert cosines["optimized"].mean() > max(cosines["best_random"].mean(), cosines["linear"].mean())
    assert tiny_backbone.weights_hash() == before
    again = invert(prior, tiny_backbone, templates, OPTIONS)
    assert all(torch.equal(found[method][0], again[method][0]) for method in METHODS)
