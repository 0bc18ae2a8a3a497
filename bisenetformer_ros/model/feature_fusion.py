"""Feature fusion: combines spatial detail and context at 1/8 into the mask features (equations 8 to 11).

Projecting both inputs and adding them equals one 1×1 convolution on their concatenation. The 3×3 convolution of
equation 9 follows the reweighting; only this reading yields the paper's parameter and operation counts.
"""

import torch
from torch import Tensor, nn

from bisenetformer_ros.model.context_path import global_average
from bisenetformer_ros.model.layers import ConvBNReLU


class FeatureFusion(nn.Module):
    """Fuses the spatial path with the context path.

    Args:
        spatial_channels: Of the backbone at 1/8.
        channels: Of the context at 1/8 and of the output.
    """

    def __init__(self, spatial_channels: int, channels: int) -> None:
        super().__init__()
        self.project_spatial = nn.Conv2d(spatial_channels, channels, 1)
        self.project_context = nn.Conv2d(channels, channels, 1)
        self.mix = ConvBNReLU(channels, channels, kernel_size=1)
        self.gate = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1, bias=False),
        )
        self.out = ConvBNReLU(channels, channels)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Fuse (B, spatial_channels, H/8, W/8) and (B, channels, H/8, W/8) into (B, channels, H/8, W/8)."""
        fused = self.mix(self.project_spatial(spatial) + self.project_context(context))
        return self.reweight(fused)

    def reweight(self, fused: Tensor) -> Tensor:
        """Apply the squeeze-and-excitation gate with its residual, then the last convolution."""
        return self.out(fused * (1 + torch.sigmoid(self.gate(global_average(fused)))))
