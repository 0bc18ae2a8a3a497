"""Backbones: map images to features at 1/4, 1/8, 1/16 and 1/32 of their size.

STDC: Fan et al., "Rethinking BiSeNet for real-time semantic segmentation", CVPR 2021.
ResNet-50: He et al., "Deep residual learning for image recognition", CVPR 2016, with the stride in the 3×3 convolution.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from bisenetformer_ros.model.layers import ConvBNReLU


class CatBottleneck(nn.Module):
    """STDC module: concatenates four convolutions in a row with 1/2, 1/4, 1/8 and 1/8 of the output channels."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        widths = [out_channels // 2, out_channels // 4, out_channels // 8, out_channels // 8]
        self.convs = nn.ModuleList([ConvBNReLU(in_channels, widths[0], kernel_size=1)])
        self.convs.extend(ConvBNReLU(before, after) for before, after in pairwise(widths))
        self.downsample: nn.Module = nn.Identity()
        self.skip: nn.Module = nn.Identity()
        if stride == 2:
            self.downsample = nn.Sequential(
                nn.Conv2d(widths[0], widths[0], 3, stride=2, padding=1, groups=widths[0], bias=False),
                nn.BatchNorm2d(widths[0]),
            )
            self.skip = nn.AvgPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.convs[0](x)
        outputs = [self.skip(first)]
        x = self.downsample(first)
        for conv in self.convs[1:]:
            x = conv(x)
            outputs.append(x)
        return torch.cat(outputs, dim=1)


class STDC(nn.Module):
    """Short-term dense concatenation network.

    Args:
        blocks_per_stage: (2, 2, 2) for STDC1, (4, 5, 3) for STDC2.
        base_channels: 64 in the paper.

    Attributes:
        out_channels: Of the features at 1/4, 1/8, 1/16 and 1/32.
    """

    def __init__(self, blocks_per_stage: Sequence[int], base_channels: int = 64) -> None:
        super().__init__()
        base = base_channels
        self.out_channels = (base, 4 * base, 8 * base, 16 * base)
        self.stem = nn.Sequential(ConvBNReLU(3, base // 2, stride=2), ConvBNReLU(base // 2, base, stride=2))
        self.stages = nn.ModuleList()
        in_channels = base
        for num_blocks, out_channels in zip(blocks_per_stage, self.out_channels[1:], strict=True):
            blocks = [CatBottleneck(in_channels, out_channels, stride=2)]
            blocks += [CatBottleneck(out_channels, out_channels, stride=1) for _ in range(num_blocks - 1)]
            self.stages.append(nn.Sequential(*blocks))
            in_channels = out_channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Map normalized images (B, 3, H, W) to features at 1/4, 1/8, 1/16, 1/32 with `out_channels` channels."""
        res2 = self.stem(images)
        res3 = self.stages[0](res2)
        res4 = self.stages[1](res3)
        res5 = self.stages[2](res4)
        return res2, res3, res4, res5


class Bottleneck(nn.Module):
    """Residual block: 1×1, 3×3 (with the stride) and 1×1 convolutions; 4 · `width` output channels."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * width
        self.reduce = ConvBNReLU(in_channels, width, kernel_size=1)
        self.spatial = ConvBNReLU(width, width, stride=stride)
        self.expand = _conv_bn(width, out_channels, stride=1)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = _conv_bn(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.expand(self.spatial(self.reduce(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """ResNet with bottleneck blocks; (3, 4, 6, 3) is ResNet-50.

    Attributes:
        out_channels: Of the features at 1/4, 1/8, 1/16 and 1/32.
    """

    def __init__(self, blocks_per_stage: Sequence[int] = (3, 4, 6, 3)) -> None:
        super().__init__()
        widths = (64, 128, 256, 512)
        self.out_channels = (256, 512, 1024, 2048)
        self.stem = nn.Sequential(ConvBNReLU(3, 64, kernel_size=7, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = nn.ModuleList()
        in_channels = 64
        for index, (num_blocks, width) in enumerate(zip(blocks_per_stage, widths, strict=True)):
            blocks = [Bottleneck(in_channels, width, stride=1 if index == 0 else 2)]
            blocks += [Bottleneck(4 * width, width, stride=1) for _ in range(num_blocks - 1)]
            self.stages.append(nn.Sequential(*blocks))
            in_channels = 4 * width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Map normalized images (B, 3, H, W) to features at 1/4, 1/8, 1/16, 1/32 with `out_channels` channels."""
        res2 = self.stages[0](self.stem(images))
        res3 = self.stages[1](res2)
        res4 = self.stages[2](res3)
        res5 = self.stages[3](res4)
        return res2, res3, res4, res5


def _conv_bn(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
