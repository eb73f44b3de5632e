"""IR and IR-SE networks, the residual networks of the ArcFace paper (arXiv 1801.07698), with squeeze-and-excitation.

Parameter names follow ZhaoJ9014/face.evoLVe (`backbone/model_irse.py`) and TreB1eN/InsightFace_Pytorch (`model.py`),
so that their weights fit. The latter scales embeddings to length 1 at the end, which is left out here: cosines are
the same.
"""

from collections.abc import Sequence
from math import ceil

from torch import Tensor, nn

from faceleak.backbones.card import height_and_width

WIDTHS = (64, 128, 256, 512)
REDUCTION = 16


class SqueezeExcitation(nn.Module):
    """Activations (n, channels, h, w), each channel weighted by what all of them say (arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, channels // REDUCTION, 1, bias=False)
        self.relu = nn.ReLU()
        self.fc2 = nn.Conv2d(channels // REDUCTION, channels, 1, bias=False)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        weighted: Tensor = x * self.sigmoid(self.fc2(self.relu(self.fc1(self.avg_pool(x)))))
        return weighted


class Bottleneck(nn.Module):
    """BN → 3×3 → PReLU → 3×3 (stride) → BN, with or without squeeze-and-excitation, added to its input."""

    def __init__(self, inputs: int, outputs: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            *([SqueezeExcitation(outputs)] if squeeze else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return total


class IR(nn.Module):
    """Images (n, 3, height, width), preprocessed → embeddings (n, embedding_size), not normalized.

    depths: blocks of each of the four stages, which halve height and width, rounded up.
    """

    def __init__(
        self,
        image_size: int | tuple[int, int] = 112,
        embedding_size: int = 512,
        depths: Sequence[int] = (3, 4, 14, 3),
        squeeze: bool = False,
    ) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        stages = zip((64, *WIDTHS), WIDTHS, depths, strict=False)
        self.body = nn.Sequential(
            *(
                Bottleneck(outputs if block else inputs, outputs, 1 if block else 2, squeeze)
                for inputs, outputs, depth in stages
                for block in range(depth)
            )
        )
        height, width = height_and_width(image_size)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(WIDTHS[-1]),
            nn.Dropout(),
            nn.Flatten(),
            nn.Linear(WIDTHS[-1] * ceil(height / 16) * ceil(width / 16), embedding_size),
            nn.BatchNorm1d(embedding_size),
        )

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.output_layer(self.body(self.input_layer(images)))
        return embeddings
