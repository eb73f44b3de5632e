"""iResNet (improved residual networks for face recognition, arXiv 2004.04989) as used with ArcFace (1801.07698).

Parameter names follow InsightFace's `arcface_torch`, so its weights fit; widths and depths are free, so
the same code makes the small nets of the demo. The names of BN layers stay whatever takes their place; folded, it is
nothing in most places, and the convolutions have a bias.
"""

from collections.abc import Sequence
from math import ceil

import torch
from torch import Tensor, nn

from faceleak.backbones.card import Normalization, height_and_width
from faceleak.backbones.normalization import before_padding, of_embeddings, of_maps


class ResidualBlock(nn.Module):
    """BN → 3×3 → BN → PReLU → 3×3 (stride) → BN, added to its input."""

    def __init__(self, inputs: int, outputs: int, stride: int, normalization: Normalization = "batch") -> None:
        super().__init__()
        bias = normalization == "folded"
        self.bn1 = before_padding(normalization, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
        self.bn2 = of_maps(normalization, outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, padding=1, bias=bias)
        self.bn3 = of_maps(normalization, outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=bias)
            self.downsample = nn.Sequential(shortcut, of_maps(normalization, outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        total: Tensor = self.bn3(self.conv2(x)) + shortcut
        return total


class IResNet(nn.Module):
    """Images (n, 3, height, width), preprocessed → embeddings (n, embedding_size), not normalized.

    Four stages, each halving height and width, rounded up.
    """

    def __init__(
        self,
        depths: Sequence[int] = (2, 2, 2, 2),
        widths: Sequence[int] = (64, 128, 256, 512),
        image_size: int | tuple[int, int] = 112,
        embedding_size: int = 512,
        dropout: float = 0.0,
        normalization: Normalization = "batch",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, padding=1, bias=normalization == "folded")
        self.bn1 = of_maps(normalization, widths[0])
        self.prelu = nn.PReLU(widths[0])
        inputs = (widths[0], *widths)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(inputs[i], widths[i], depths[i], normalization) for i in range(4)
        )
        self.bn2 = of_maps(normalization, widths[3])
        self.dropout = nn.Dropout(dropout)
        height, width = height_and_width(image_size)
        self.fc = nn.Linear(widths[3] * ceil(height / 16) * ceil(width / 16), embedding_size)
        self.features = of_embeddings(normalization, embedding_size)
        self._initialize()

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.prelu(self.bn1(self.conv1(images)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.fc(torch.flatten(self.dropout(self.bn2(x)), 1))
        embeddings: Tensor = self.features(x)
        return embeddings


def _stage(inputs: int, outputs: int, depth: int, normalization: Normalization) -> nn.Sequential:
    blocks = [ResidualBlock(inputs, outputs, 2, normalization)]
    blocks += [ResidualBlock(outputs, outputs, 1, normalization) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)
