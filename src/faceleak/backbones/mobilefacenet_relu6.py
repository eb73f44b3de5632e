"""MobileFaceNet (arXiv 1804.07573) with ReLU6, as in foamliu/MobileFaceNet (`mobilefacenet.py`), under its names.

BN behind the global depthwise convolution, which leaves one position, is one-dimensional: the same numbers under the
same names.
"""

from torch import Tensor, nn

from faceleak.backbones.mobilefacenet import last_positions

# hidden channels per input channel, channels, blocks, stride of the first block
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution → BN → ReLU6."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU6())


class DepthwiseSeparable(nn.Module):
    """3×3 on each channel → BN → ReLU → 1×1 → BN → ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.depthwise(x)))
        result: Tensor = self.relu(self.bn2(self.pointwise(x)))
        return result


class InvertedResidual(nn.Module):
    """1×1 to more channels → 3×3 on each of them (stride) → 1×1, added to its input if both have one shape."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            convolution(inputs, hidden, kernel=1),
            convolution(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)
        return x + result if self.residual else result


class GlobalDepthwise(nn.Module):
    """Activations (n, channels, h, w) → (n, channels): one convolution over all positions, then BN."""

    def __init__(self, channels: int, positions: tuple[int, int]) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, positions, groups=channels, bias=False)
        self.bn = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.bn(self.depthwise(x).flatten(1))
        return result


class FoamliuMobileFaceNet(nn.Module):
    """Images (n, 3, height, width), preprocessed → embeddings (n, embedding_size), not normalized."""

    def __init__(self, image_size: int | tuple[int, int] = 112, embedding_size: int = 128) -> None:
        super().__init__()
        self.conv1 = convolution(3, 64, stride=2)
        self.dw_conv = DepthwiseSeparable(64)
        blocks, inputs = [], 64
        for expansion, outputs, depth, stride in STAGES:
            for block in range(depth):
                blocks.append(InvertedResidual(inputs, outputs, 1 if block else stride, expansion))
                inputs = outputs
        self.features = nn.Sequential(*blocks)
        self.conv2 = convolution(inputs, 512, kernel=1)
        self.gdconv = GlobalDepthwise(512, last_positions(image_size))
        self.conv3 = nn.Conv2d(512, embedding_size, 1)
        self.bn = nn.BatchNorm1d(embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        x = self.gdconv(self.conv2(self.features(self.dw_conv(self.conv1(images)))))
        embeddings: Tensor = self.bn(self.conv3(x[:, :, None, None]).flatten(1))
        return embeddings
