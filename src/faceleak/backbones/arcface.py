"""ArcFace, the additive angular margin loss (arXiv 1801.07698), as classification head and loss in one."""

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
        cosines = functional.linear(functional.normalize(embeddings.float()), functional.normalize(self.weight))
        angles = torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6))  # (n, classes)
        right = functional.one_hot(classes, self.weight.shape[0]).bool()
        return functional.cross_entropy(
            self.scale * torch.where(right, torch.cos(angles + self.margin), cosines), classes
        )
