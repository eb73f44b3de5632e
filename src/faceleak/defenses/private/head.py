"""The ArcFace head in two parts, so that Opacus sees a layer with weights and a loss of each image by itself."""

import torch
from opacus.grad_sample import register_grad_sampler
from torch import Tensor, nn
from torch.nn import functional

from faceleak.backbones.arcface import arcface_logits

ROW_LENGTH = 1.0


class CosineHead(nn.Module):
    """Embeddings (n, embedding_size) → cosines (n, classes) with one row a person.

    Rows begin as independent Gaussian directions of one length: nothing in them, not even their order, depends on who
    the people are. Only their number is assumed to be public. The length sets how much of a unit's clipped gradient
    the head takes from the backbone: a row's gradient falls with it.
    """

    def __init__(self, classes: int, embedding_size: int, random: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            ROW_LENGTH * functional.normalize(torch.randn(classes, embedding_size, generator=random))
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        return functional.linear(functional.normalize(embeddings), functional.normalize(self.weight))


def arcface_losses(cosines: Tensor, classes: Tensor, margin: float, scale: float) -> Tensor:
    """The loss of `ArcFaceHead`, image by image: cosines (n, classes) → losses (n,)."""
    return functional.cross_entropy(arcface_logits(cosines, classes, margin, scale), classes, reduction="none")


@register_grad_sampler(CosineHead)  # type: ignore[untyped-decorator]
def _per_sample(layer: CosineHead, activations: list[Tensor], backprops: Tensor) -> dict[nn.Parameter, Tensor]:
    if not layer.weight.requires_grad:
        return {}
    lengths = layer.weight.norm(dim=1, keepdim=True)
    rows, embeddings = layer.weight / lengths, functional.normalize(activations[0])
    along = torch.einsum("nc,nd->ncd", backprops, embeddings)
    radial = (backprops * (embeddings @ rows.T)).unsqueeze(2) * rows  # a row's length changes no cosine
    return {layer.weight: (along - radial) / lengths}
