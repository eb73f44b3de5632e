import pytest
import torch
from opacus import GradSampleModule

from faceleak.backbones.arcface import ArcFaceHead
from faceleak.defenses.private.head import CosineHead, arcface_losses

CLASSES = torch.tensor([2, 0, 1, 2])


@pytest.fixture
def head() -> CosineHead:
    return CosineHead(3, 5, torch.Generator().manual_seed(0))


@pytest.fixture
def embeddings() -> torch.Tensor:
    return torch.randn(4, 5, generator=torch.Generator().manual_seed(1))


def test_the_mean_loss_is_that_of_the_arcface_head(head, embeddings):
    whole = ArcFaceHead(3, 5, margin=0.4, scale=20)
    whole.load_state_dict(head.state_dict())
    losses = arcface_losses(head(embeddings), CLASSES, 0.4, 20)
    assert losses.shape == (4,)
    torch.testing.assert_close(losses.mean(), whole(embeddings, CLASSES))


def test_per_sample_gradients_are_those_of_one_image_at_a_time(head, embeddings):
    with torch.no_grad():
        head.weight *= torch.tensor([[0.5], [1.0], [3.0]])
    alone = [
        torch.autograd.grad(arcface_losses(head(embeddings[i, None]), CLASSES[i, None], 0.4, 20).sum(), head.weight)[0]
        for i in range(4)
    ]
    embeddings.requires_grad_()
    sampled = GradSampleModule(head, loss_reduction="sum")
    arcface_losses(sampled(embeddings), CLASSES, 0.4, 20).sum().backward()
    torch.testing.assert_close(sampled._module.weight.grad_sample, torch.stack(alone))
