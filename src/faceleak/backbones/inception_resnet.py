"""Inception-ResNet-v1 (arXiv 1602.07261), the network of FaceNet's open implementations.

Parameter names follow timesler/facenet-pytorch (`models/inception_resnet_v1.py`), so its weights fit. It scales
embeddings to length 1 at the end, which is left out here: cosines are the same.
"""

import torch
from torch import Tensor, nn

from faceleak.backbones.card import height_and_width
from faceleak.common.errors import FaceleakError

SMALLEST_SIDE = 75  # pixels that leave one position before the last pooling
BN_EPS = 1e-3  # of TensorFlow, where the weights come from


class ImageSizeError(FaceleakError):
    """The network has nothing left to pool for images so small."""


class Convolution(nn.Module):
    """Convolution → BN → ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, padded: bool = False
    ) -> None:
        super().__init__()
        height, width = height_and_width(kernel)
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=BN_EPS)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.relu(self.bn(self.conv(x)))
        return result


class _Branches(nn.Module):
    """What `branch0`, `branch1`, … make of an input, side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.names = [f"branch{number}" for number in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.get_submodule(name)(x) for name in self.names], 1)


class InceptionBlock(_Branches):
    """Branches, brought back to the input's channels by 1×1, times `scale`, added to it; ReLU if `rectified`."""

    def __init__(self, channels: int, scale: float, *branches: nn.Module, joined: int, rectified: bool = True) -> None:
        super().__init__(*branches)
        self.scale, self.rectified = scale, rectified
        self.conv2d = nn.Conv2d(joined, channels, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.conv2d(super().forward(x)) * self.scale + x
        return self.relu(total) if self.rectified else total


def block35() -> InceptionBlock:
    """At the first of three resolutions, 256 channels."""
    return InceptionBlock(
        256,
        0.17,
        Convolution(256, 32, 1),
        nn.Sequential(Convolution(256, 32, 1), Convolution(32, 32, 3, padded=True)),
        nn.Sequential(
            Convolution(256, 32, 1), Convolution(32, 32, 3, padded=True), Convolution(32, 32, 3, padded=True)
        ),
        joined=96,
    )


def block17() -> InceptionBlock:
    """At the second resolution, 896 channels."""
    return InceptionBlock(
        896,
        0.10,
        Convolution(896, 128, 1),
        nn.Sequential(
            Convolution(896, 128, 1),
            Convolution(128, 128, (1, 7), padded=True),
            Convolution(128, 128, (7, 1), padded=True),
        ),
        joined=256,
    )


def block8(scale: float = 0.20, rectified: bool = True) -> InceptionBlock:
    """At the third resolution, 1792 channels."""
    return InceptionBlock(
        1792,
        scale,
        Convolution(1792, 192, 1),
        nn.Sequential(
            Convolution(1792, 192, 1),
            Convolution(192, 192, (1, 3), padded=True),
            Convolution(192, 192, (3, 1), padded=True),
        ),
        joined=384,
        rectified=rectified,
    )


def mixed_6a() -> _Branches:
    """From the first resolution to the second: 256 → 896 channels."""
    return _Branches(
        Convolution(256, 384, 3, stride=2),
        nn.Sequential(
            Convolution(256, 192, 1), Convolution(192, 192, 3, padded=True), Convolution(192, 256, 3, stride=2)
        ),
        nn.MaxPool2d(3, stride=2),
    )


def mixed_7a() -> _Branches:
    """From the second resolution to the third: 896 → 1792 channels."""
    return _Branches(
        nn.Sequential(Convolution(896, 256, 1), Convolution(256, 384, 3, stride=2)),
        nn.Sequential(Convolution(896, 256, 1), Convolution(256, 256, 3, stride=2)),
        nn.Sequential(
            Convolution(896, 256, 1), Convolution(256, 256, 3, padded=True), Convolution(256, 256, 3, stride=2)
        ),
        nn.MaxPool2d(3, stride=2),
    )


class InceptionResnetV1(nn.Module):
    """Images (n, 3, height, width), preprocessed → embeddings (n, embedding_size), not normalized.

    Any size from 75 pixels a side. Raises ImageSizeError below.
    """

    def __init__(self, image_size: int | tuple[int, int] = 160, embedding_size: int = 512) -> None:
        super().__init__()
        if min(height_and_width(image_size)) < SMALLEST_SIDE:
            raise ImageSizeError(
                f"Inception-ResNet-v1 takes images of {SMALLEST_SIDE} pixels a side at least, found {image_size}. Set "
                "preprocessing.image_size to that of the training, usually 160."
            )
        self.conv2d_1a = Convolution(3, 32, 3, stride=2)
        self.conv2d_2a = Convolution(32, 32, 3)
        self.conv2d_2b = Convolution(32, 64, 3, padded=True)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = Convolution(64, 80, 1)
        self.conv2d_4a = Convolution(80, 192, 3)
        self.conv2d_4b = Convolution(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(block35() for _ in range(5)))
        self.mixed_6a = mixed_6a()
        self.repeat_2 = nn.Sequential(*(block17() for _ in range(10)))
        self.mixed_7a = mixed_7a()
        self.repeat_3 = nn.Sequential(*(block8() for _ in range(5)))
        self.block8 = block8(scale=1.0, rectified=False)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.6)
        self.last_linear = nn.Linear(1792, embedding_size, bias=False)
        self.last_bn = nn.BatchNorm1d(embedding_size, eps=BN_EPS)

    def forward(self, images: Tensor) -> Tensor:
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(images))))
        x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x))))
        x = self.repeat_3(self.mixed_7a(self.repeat_2(self.mixed_6a(x))))
        x = self.dropout(self.avgpool_1a(self.block8(x)).flatten(1))
        embeddings: Tensor = self.last_bn(self.last_linear(x))
        return embeddings
