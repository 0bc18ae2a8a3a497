"""Context path: refines the backbone's deepest features and upsamples them to 1/8 (equations 1 to 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.model.layers import ConvBNReLU


class AttentionRefinement(nn.Module):
    """Attention refinement module (BiSeNet, Yu et al., ECCV 2018): project, convolve, reweight channels globally."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.conv = ConvBNReLU(channels, channels)
        self.gate = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.project(x))
        return x * torch.sigmoid(self.gate(global_average(x)))


class ContextPath(nn.Module):
    """Computes context features at 1/32, 1/16 and 1/8.

    Args:
        in_channels: Of the backbone at 1/16 and 1/32.
        channels: Of all outputs.
    """

    def __init__(self, in_channels: tuple[int, int], channels: int) -> None:
        super().__init__()
        self.refine16 = AttentionRefinement(in_channels[0], channels)
        self.refine32 = AttentionRefinement(in_channels[1], channels)
        self.scene = ConvBNReLU(in_channels[1], channels, kernel_size=1)
        self.head32 = ConvBNReLU(channels, channels)
        self.head16 = ConvBNReLU(channels, channels)

    def forward(self, res3: Tensor, res4: Tensor, res5: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Refine the backbone's features.

        Args:
            res3: Features at 1/8, of which only the size matters.
            res4: (B, in_channels[0], H/16, W/16).
            res5: (B, in_channels[1], H/32, W/32).

        Returns:
            Context at 1/32, 1/16 and 1/8, `channels` each.
        """
        context32 = self.refine32(res5) + self.scene(global_average(res5))
        context16 = self.refine16(res4) + self.head32(_resize_to(context32, res4))
        context8 = self.head16(_resize_to(context16, res3))
        return context32, context16, context8


def global_average(x: Tensor) -> Tensor:
    """Average (B, C, H, W) to (B, C, 1, 1), summing in float32 at least, since the sum may overflow 16 bits."""
    return x.mean(dim=(2, 3), keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32)).to(x.dtype)


def _resize_to(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
