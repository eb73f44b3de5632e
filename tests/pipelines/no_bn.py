"""A network as peers write them, without batch normalization."""

from torch import Tensor, nn


class Net(nn.Module):
    """Faces (n, 3, 32, 32) → embeddings (n, 32), by patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm, self.embed = nn.Conv2d(3, 16, 8, 8), nn.LayerNorm(16), nn.Linear(256, 32)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)  # (n, 16 patches, 16)
        embeddings: Tensor = self.embed(self.norm(tokens).flatten(1))
        return embeddings
