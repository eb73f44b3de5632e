import torch
from torch import nn

from faceleak.backbones.batch_norm import reading
from faceleak.reconstruction.options import PersonImageOptions
from faceleak.reconstruction.person_image import METHODS, search_people
from faceleak.reconstruction.scorer import Scorer

OPTIONS = PersonImageOptions(people=2, candidates=60, steps=15, learning_rate=0.05, batch_size=3, near=1.0)


class InSingle:
    def __init__(self, prior) -> None:
        self.prior, self.latent_size, self.space = prior, prior.latent_size, prior.space

    def faces(self, latents: torch.Tensor) -> torch.Tensor:
        return self.prior.faces(latents).float()


def search(scorer: Scorer, prior, **changes: object):
    templates = torch.randn(5, 16, generator=torch.Generator().manual_seed(9))
    found = search_people(InSingle(prior), scorer, templates, OPTIONS.model_copy(update=changes))
    with torch.no_grad(), reading(scorer.backbone):
        cosines = {
            method: nn.functional.cosine_similarity(scorer.backbone(of_method.faces), templates).mean()
            for method, of_method in found.items()
        }
    return found, cosines


def test_inversion_climbs_the_cosine_and_the_attack_climbs_its_score(tiny_scorer: Scorer, small_prior) -> None:
    before = tiny_scorer.backbone.weights_hash()
    found, cosines = search(tiny_scorer, small_prior)
    assert tuple(found) == METHODS
    assert cosines["inversion"] > cosines["start"] + 0.001
    scores = {method: of_method.scores.mean() for method, of_method in found.items()}
    assert scores["person_image"] > max(scores["inversion"], scores["start"])
    assert all(of_method.latents.shape == (5, 6) for of_method in found.values())
    assert tiny_scorer.backbone.weights_hash() == before


def test_the_nearer_it_has_to_stay_the_nearer_it_stays(tiny_scorer: Scorer, small_prior) -> None:
    found, far = search(tiny_scorer, small_prior, near=1e-3)
    bound, near = search(tiny_scorer, small_prior, near=1e3)
    assert near["person_image"] > far["person_image"]
    assert found["person_image"].scores.mean() > bound["person_image"].scores.mean()


def test_the_same_options_give_the_same_faces_and_terms_may_be_joined(tiny_scorer: Scorer, small_prior) -> None:
    weights = {"membership": 1.0, "consistency": 2.0, "augmented": 0.5}
    first, again, plain = (
        search(tiny_scorer, small_prior, **of)[0] for of in ({"objective": weights}, {"objective": weights}, {})
    )
    assert torch.equal(first["person_image"].latents, again["person_image"].latents)
    assert torch.equal(first["inversion"].latents, plain["inversion"].latents)
    assert not torch.allclose(first["person_image"].latents, plain["person_image"].latents, atol=1e-3)
