"""Networks as a user may bring them, named in tests as `own_networks:Class`."""

import torch
from torch import Tensor, nn


class Own(nn.Module):
    """Images (n, 3, height, width) → (n, size)."""

    def __init__(self, size: int = 8, width: int = 6) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, 2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.last = nn.Linear(width, size)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.last(self.norm(self.first(images)).relu().mean((2, 3)))
        return embeddings


class Pair(Own):
    """Gives the embedding and something else."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(images), images


class Map(Own):
    """Gives (n, size, 1, 1)."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)[:, :, None, None]


class Shared(Own):
    """Uses what its convolution gives twice, so that BN cannot be folded into it."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        return self.last((self.norm(maps) + maps.square()).mean((2, 3)))


class Changing(Own):
    """Changes what its convolution gives in place before BN sees it."""

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.norm(torch.relu_(self.first(images))).mean((2, 3)))


class Viewing(nn.Module):
    """Flattens maps with `view`, as most face-recognition code does, which channels-last maps do not allow."""

    def __init__(self, size: int = 8, width: int = 6, positions: int = 96) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, 2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.last = nn.Linear(width * positions, size)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.first(images)).relu()
        embeddings: Tensor = self.last(maps.view(maps.size(0), -1))
        return embeddings


class ViewingTwice(Viewing):
    """Gives two things."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(images), images


class Strided(Viewing):
    """Reads memory as if maps lay channel by channel: channels-last maps give other embeddings, without an error."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.first(images)).relu()
        embeddings: Tensor = self.last(maps.as_strided((len(maps), self.last.in_features), (self.last.in_features, 1)))
        return embeddings


class Failing(nn.Module):
    """Cannot be built."""

    def __init__(self) -> None:
        raise RuntimeError("no license")


def function(size: int = 8) -> Own:
    return Own(size)
