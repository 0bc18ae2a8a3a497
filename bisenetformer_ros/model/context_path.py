"""Context path: the backbone's deepest features, refined and brought back up to 1/8 (equations 1 to 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.model.layers import ConvBNReLU


class AttentionRefinement(nn.Module):
    """Attention refinement module of BiSeNet: project, convolve, reweight channels by a global gate."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.conv = ConvBNReLU(channels, channels)
        self.gate = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.project(x))
        return x * torch.sigmoid(self.gate(global_average(x)))


class ContextPath(nn.Module):
    """in_channels: of the backbone at 1/16 and 1/32. channels: of all outputs."""

    def __init__(self, in_channels: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.refine16 = AttentionRefinement(in_channels[0], channels)
        self.refine32 = AttentionRefinement(in_channels[1], channels)
        self.scene = ConvBNReLU(in_channels[1], channels, kernel_size=1)
        self.head32 = ConvBNReLU(channels, channels)
        self.head16 = ConvBNReLU(channels, channels)

    def forward(self, res3: Tensor, res4: Tensor, res5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/8 (only its size is used), 1/16, 1/32 → context at 1/32, 1/16, 1/8."""
        context32 = self.refine32(res5) + self.scene(global_average(res5))
        context16 = self.refine16(res4) + self.head32(_resize_to(context32, res4))
        context8 = self.head16(_resize_to(context16, res3))
        return context32, context16, context8


def global_average(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, 1, 1); summed up in float32 at least: a whole map of 16-bit numbers has room."""
    return x.mean(dim=(2, 3), keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32)).to(x.dtype)


def _resize_to(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
