"""Building blocks that the parts of the network share."""

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class ConvBNReLU(nn.Module):
    """Convolution without bias, batch normalization, ReLU; "same" padding for odd kernels."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.bn(self.conv(x)))


def module_list(modules: Iterable[AnyModule]) -> Sequence[AnyModule]:
    """Return an nn.ModuleList whose items have a type."""
    return cast("Sequence[AnyModule]", nn.ModuleList(modules))
