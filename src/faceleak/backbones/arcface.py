"""ArcFace (arXiv 1801.07698) and CosFace (arXiv 1801.09414): losses with a margin, each head and loss in one."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ArcFaceHead(nn.Module):
    """Embeddings (n, embedding_size) and class numbers (n,) → loss (scalar).

    Logits are `scale`·cos(θ_j), with θ + `margin` (radians) in place of θ for the right class.
    """

    def __init__(self, classes: int, embedding_size: int, margin: float, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, embedding_size) * 0.01)
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        cosines = functional.linear(
            functional.normalize(embeddings.to(self.weight.dtype)), functional.normalize(self.weight)
        )
        return functional.cross_entropy(self.logits(cosines, classes), classes)

    def logits(self, cosines: Tensor, classes: Tensor) -> Tensor:
        """Cosines (n, classes) and class numbers (n,) → logits (n, classes)."""
        return arcface_logits(cosines, classes, self.margin, self.scale)


class CosFaceHead(ArcFaceHead):
    """The same with cos(θ) − `margin` (a cosine) for the right class."""

    def logits(self, cosines: Tensor, classes: Tensor) -> Tensor:
        """Cosines (n, classes) and class numbers (n,) → logits (n, classes)."""
        return self.scale * (cosines - self.margin * functional.one_hot(classes, cosines.shape[1]))


def arcface_logits(cosines: Tensor, classes: Tensor, margin: float, scale: float) -> Tensor:
    """Cosines (n, classes) to the rows of a head, and class numbers (n,) → logits (n, classes)."""
    angles = torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6))
    right = functional.one_hot(classes, cosines.shape[1]).bool()
    return scale * torch.where(right, torch.cos(angles + margin), cosines)
