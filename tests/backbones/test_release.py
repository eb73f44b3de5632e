import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.release import STEPS, Release


def embeddings_of(rows: int, size: int = 64, seed: int = 0) -> torch.Tensor:
    return (
        torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * torch.linspace(0.1, 9, rows)[:, None]
    )


def released(backbone: Backbone, **release) -> Backbone:
    return Backbone(backbone.net, backbone.card.model_copy(update={"release": Release(**release)})).eval()


def test_rounding_by_hand():
    answer = Release(decimals=1).answer(torch.tensor([[3.0, 4.0], [0.1, 0.0], [2.0, 2.0]]))
    assert torch.equal(answer, torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.7, 0.7]]))


@given(st.integers(0, 5), st.integers(0, 1000))
def test_rounded_numbers_are_rounded_to_the_bit(decimals, seed):
    embeddings = embeddings_of(5, seed=seed)
    answer = Release(decimals=decimals).answer(embeddings.requires_grad_())
    assert torch.equal(answer, functional.normalize(embeddings).round(decimals=decimals))
    assert float((answer - functional.normalize(embeddings)).abs().max()) <= 0.5001 * 10.0**-decimals


@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_noise_is_gaussian_and_as_large_as_it_says(noise):
    embeddings = embeddings_of(200, 128)
    added = Release(noise=noise).answer(embeddings) - embeddings
    standard = added / noise / embeddings.square().mean(1, keepdim=True).sqrt()
    assert float(standard.mean()) == pytest.approx(0, abs=0.03)  # 25,600 draws: standard error 0.006
    assert float(standard.std()) == pytest.approx(1, abs=0.03)
    assert float((standard.abs() < 1.96).float().mean()) == pytest.approx(0.95, abs=0.01)
    between_rows = torch.corrcoef(standard) - torch.eye(200)
    assert float(between_rows.abs().max()) < 0.5  # 5 standard errors of a correlation of 128 draws are 0.44


def test_asking_again_gives_the_same_answer_in_any_batch():
    embeddings, release = embeddings_of(7), Release(noise=0.5, decimals=3, seed=4)
    answer = release.answer(embeddings)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    assert torch.equal(release.answer(embeddings), answer)
    assert torch.equal(release.answer(embeddings[order]), answer[order])
    assert torch.equal(torch.cat([release.answer(row[None]) for row in embeddings]), answer)


def test_a_face_gets_the_same_answer_alone_and_among_others(tiny_backbone):
    backbone = released(tiny_backbone, noise=0.5)
    faces = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together, alone = backbone(faces), torch.cat([backbone(face[None]) for face in faces])
        plain = tiny_backbone(faces)
    steps = plain / plain.square().mean(1, keepdim=True).sqrt() * STEPS
    clear = ((steps - steps.floor() - 0.5).abs() > 1e-3).all(1)  # no coordinate that rounding of the pass tips over
    assert clear.sum() > 20
    torch.testing.assert_close(together[clear], alone[clear], rtol=1e-3, atol=1e-3)  # to the rounding of the pass


def test_another_seed_or_another_embedding_gets_other_noise():
    embeddings = embeddings_of(3)
    added = [Release(noise=1.0, seed=seed).answer(embeddings) - embeddings for seed in (0, 1)]
    assert (added[0] != added[1]).all(dim=1).all()
    assert not torch.allclose(added[0][0] / embeddings[0].norm(), added[0][1] / embeddings[1].norm())


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    Release(noise=1.0).answer(embeddings_of(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_is_done_where_nothing_is_asked_for():
    embeddings = embeddings_of(3)
    assert Release(seed=5).answer(embeddings) is embeddings


def test_gradients_pass_as_if_nothing_was_done():
    weights = embeddings_of(4, seed=1)

    def gradient(of) -> torch.Tensor:
        embeddings = embeddings_of(4).requires_grad_()
        return torch.autograd.grad((of(embeddings) * weights).sum(), embeddings)[0]

    assert torch.equal(gradient(Release(noise=0.7).answer), weights)
    assert torch.equal(gradient(Release(decimals=1).answer), gradient(functional.normalize))


def test_gradients_reach_the_faces(tiny_backbone):
    faces = torch.rand(2, 3, 32, 32, requires_grad=True)
    released(tiny_backbone, noise=0.2, decimals=2)(faces).square().sum().backward()
    assert (faces.grad.flatten(1).norm(dim=1) > 0).all()


@pytest.mark.parametrize("embeddings", [torch.zeros(2, 8), torch.full((2, 8), torch.nan), torch.empty(0, 8)])
def test_strange_embeddings_do_not_end_in_an_error_of_a_library(embeddings):
    answer = Release(noise=0.5, decimals=2).answer(embeddings)
    assert answer.shape == embeddings.shape
    np.testing.assert_array_equal(answer.isfinite(), embeddings.isfinite())


@pytest.mark.parametrize(
    "wrong", [{"noise": -1}, {"noise": float("inf")}, {"decimals": -1}, {"decimals": 1.5}, {"sd": 1}]
)
def test_values_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Release(**wrong)
