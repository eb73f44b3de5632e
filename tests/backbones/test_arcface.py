import math

import pytest
import torch
from torch.nn import functional

from faceleak.backbones.arcface import ArcFaceHead, CosFaceHead


def head_with(weight: torch.Tensor, margin: float, scale: float) -> ArcFaceHead:
    head = ArcFaceHead(*weight.shape, margin, scale)
    head.weight.data = weight
    return head


def test_the_loss_agrees_with_a_calculation_by_hand():
    # class centers along the axes; embeddings at 30° and at 90°, of any length
    weight = torch.tensor([[2.0, 0.0], [0.0, 0.5]])
    embeddings = torch.tensor([[3 * math.cos(math.pi / 6), 3 * math.sin(math.pi / 6)], [0.0, 0.1]])
    loss = head_with(weight, margin=0.2, scale=4.0)(embeddings, torch.tensor([0, 1]))
    # face 1: right angle 30° + 0.2, other 60°; face 2: right angle 0° + 0.2, other 90°
    logits = [(4 * math.cos(math.pi / 6 + 0.2), 4 * math.cos(math.pi / 3)), (4 * math.cos(0.2), 0.0)]
    expected = sum(math.log(1 + math.exp(other - right)) for right, other in logits) / 2
    assert loss.item() == pytest.approx(expected, abs=1e-3)  # cosines of 1 are kept 1e-6 away from it


def test_cosface_by_hand():
    head = CosFaceHead(2, 2, margin=0.2, scale=4.0)
    head.weight.data = torch.tensor([[2.0, 0.0], [0.0, 0.5]])
    loss = head(torch.tensor([[3 * math.cos(math.pi / 6), 3 * math.sin(math.pi / 6)]]), torch.tensor([0]))
    right, other = 4 * (math.cos(math.pi / 6) - 0.2), 4 * math.cos(math.pi / 3)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(other - right)), abs=1e-5)


def random_faces() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight, embeddings = torch.randn(5, 8, generator=generator), torch.randn(12, 8, generator=generator)
    return weight, embeddings, torch.arange(12) % 5


def test_without_a_margin_it_is_the_softmax_of_scaled_cosines():
    weight, embeddings, classes = random_faces()
    cosines = functional.cosine_similarity(embeddings[:, None], weight[None], dim=2)
    expected = functional.cross_entropy(7 * cosines, classes)
    torch.testing.assert_close(head_with(weight, margin=0.0, scale=7.0)(embeddings, classes), expected)


def test_a_margin_makes_the_right_class_harder():
    weight, embeddings, classes = random_faces()
    losses = [head_with(weight, margin, 7.0)(embeddings, classes).item() for margin in (0.0, 0.2, 0.5)]
    assert losses == sorted(losses)
    assert losses[2] > losses[0] + 1


def test_the_length_of_embeddings_and_centers_does_not_matter():
    weight, embeddings, classes = random_faces()
    loss = head_with(weight, 0.3, 7.0)(embeddings, classes)
    torch.testing.assert_close(head_with(3 * weight, 0.3, 7.0)(0.1 * embeddings, classes), loss)


def test_gradients_agree_with_finite_differences():
    weight, embeddings, classes = random_faces()
    head = head_with(weight, margin=0.3, scale=4.0)
    embeddings.requires_grad_()
    head(embeddings, classes).backward()
    step = 1e-2
    for parameter in (embeddings, head.weight):
        direction = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        losses = []
        for move in (step, -2 * step):
            parameter.data.add_(move * direction)
            losses.append(head(embeddings, classes).item())
        parameter.data.add_(step * direction)
        slope = (losses[0] - losses[1]) / (2 * step)
        assert float((parameter.grad * direction).sum()) == pytest.approx(slope, rel=0.01)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_stay_finite_where_a_face_lies_on_its_center_or_opposite(sign):
    head = head_with(torch.eye(2), margin=0.5, scale=64.0)
    embeddings = torch.tensor([[sign, 0.0]], requires_grad=True)
    loss = head(embeddings, torch.tensor([0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(embeddings.grad).all()
    assert torch.isfinite(head.weight.grad).all()


def test_half_precision_embeddings_are_compared_in_float32():
    weight, embeddings, classes = random_faces()
    loss = head_with(weight, 0.3, 7.0)(embeddings.bfloat16(), classes)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, head_with(weight, 0.3, 7.0)(embeddings.bfloat16().float(), classes))
