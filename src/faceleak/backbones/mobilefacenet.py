"""MobileFaceNet (arXiv 1804.07573) with PReLU, under the names of two repositories.

TreB1eN/InsightFace_Pytorch (`model.py`) and bubbliiiing/arcface-pytorch (`nets/mobilefacenet.py`) share all but the
last layers. Both scale embeddings to length 1 at the end, which is left out here: cosines are the same. BN behind the
global depthwise convolution, which leaves one position, is one-dimensional: the same numbers under the same names.
"""

from math import ceil

from torch import Tensor, nn

from faceleak.backbones.card import height_and_width


class LinearBlock(nn.Module):
    """Convolution → BN."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.bn(self.conv(x))
        return result


class ConvolutionBlock(LinearBlock):
    """Convolution → BN → PReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups)
        self.prelu = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.prelu(super().forward(x))
        return result


class DepthwiseBlock(nn.Module):
    """1×1 to `hidden` channels → 3×3 on each of them (stride) → 1×1, added to its input if `residual`."""

    def __init__(self, inputs: int, outputs: int, hidden: int, stride: int = 2, residual: bool = False) -> None:
        super().__init__()
        self.conv = ConvolutionBlock(inputs, hidden)
        self.conv_dw = ConvolutionBlock(hidden, hidden, 3, stride, groups=hidden)
        self.project = LinearBlock(hidden, outputs)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.project(self.conv_dw(self.conv(x)))
        return x + result if self.residual else result


class Residual(nn.Module):
    """`depth` depthwise blocks that keep their size."""

    def __init__(self, channels: int, depth: int, hidden: int) -> None:
        super().__init__()
        blocks = (DepthwiseBlock(channels, channels, hidden, stride=1, residual=True) for _ in range(depth))
        self.model = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.model(x)
        return result


class _Trunk(nn.Module):
    """Images (n, 3, height, width), preprocessed → activations (n, 128, height / 16, width / 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvolutionBlock(3, 64, 3, stride=2)
        self.conv2_dw = ConvolutionBlock(64, 64, 3, groups=64)
        self.conv_23 = DepthwiseBlock(64, 64, hidden=128)
        self.conv_3 = Residual(64, depth=4, hidden=128)
        self.conv_34 = DepthwiseBlock(64, 128, hidden=256)
        self.conv_4 = Residual(128, depth=6, hidden=256)
        self.conv_45 = DepthwiseBlock(128, 128, hidden=512)
        self.conv_5 = Residual(128, depth=2, hidden=256)

    def _maps(self, images: Tensor) -> Tensor:
        x = self.conv_3(self.conv_23(self.conv2_dw(self.conv1(images))))
        maps: Tensor = self.conv_5(self.conv_45(self.conv_4(self.conv_34(x))))
        return maps


class GlobalDepthwise(nn.Module):
    """Activations (n, channels, h, w) → (n, channels): one convolution over all positions, then BN."""

    def __init__(self, channels: int, positions: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, positions, groups=channels, bias=False)
        self.bn = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.bn(self.conv(x).flatten(1))
        return result


class MobileFaceNet(_Trunk):
    """TreB1eN's: images (n, 3, height, width), preprocessed → embeddings (n, embedding_size), not normalized."""

    def __init__(self, image_size: int | tuple[int, int] = 112, embedding_size: int = 512) -> None:
        super().__init__()
        self.conv_6_sep = ConvolutionBlock(128, 512)
        self.conv_6_dw = GlobalDepthwise(512, last_positions(image_size))
        self.linear = nn.Linear(512, embedding_size, bias=False)
        self.bn = nn.BatchNorm1d(embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.bn(self.linear(self.conv_6_dw(self.conv_6_sep(self._maps(images)))))
        return embeddings


class BubbliiiingMobileFaceNet(_Trunk):
    """bubbliiiing's: images (n, 3, height, width), preprocessed → embeddings (n, embedding_size), not normalized."""

    def __init__(self, image_size: int | tuple[int, int] = 112, embedding_size: int = 128) -> None:
        super().__init__()
        self.sep = nn.Conv2d(128, 512, 1, bias=False)
        self.sep_bn = nn.BatchNorm2d(512)
        self.prelu = nn.PReLU(512)
        self.GDC_dw = nn.Conv2d(512, 512, last_positions(image_size), groups=512, bias=False)
        self.GDC_bn = nn.BatchNorm1d(512)
        self.features = nn.Conv2d(512, embedding_size, 1, bias=False)
        self.last_bn = nn.BatchNorm1d(embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        x = self.prelu(self.sep_bn(self.sep(self._maps(images))))
        x = self.GDC_bn(self.GDC_dw(x).flatten(1))
        embeddings: Tensor = self.last_bn(self.features(x[:, :, None, None]).flatten(1))
        return embeddings


def last_positions(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of the last map: a sixteenth of the image's, rounded up."""
    height, width = height_and_width(image_size)
    return ceil(height / 16), ceil(width / 16)
