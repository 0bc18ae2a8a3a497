"""Sine position encoding (DETR, Carion et al., ECCV 2020)."""

import math

import torch
from torch import Tensor

TEMPERATURE = 10000.0
EPSILON = 1e-6  # as the authors normalize: coordinates end just below 2π


def sine_position_encoding(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """Encode positions as sines and cosines of many wavelengths.

    Coordinates count from 1 and are scaled to 2π at the last row and column. Each axis has channels / 2 features,
    alternating sine and cosine.

    Args:
        height: Rows.
        width: Columns.
        channels: A multiple of 4.
        device: Device of the result.

    Returns:
        (1, channels, height, width) float32, -1 to 1: y in the first half of the channels, x in the second.
    """
    features = channels // 2
    exponent = 2 * (torch.arange(features, device=device) // 2) / features
    wavelength = TEMPERATURE**exponent

    def encode(length: int) -> Tensor:
        position = torch.arange(1, length + 1, dtype=torch.float32, device=device)
        angle = (position / (length + EPSILON) * 2 * math.pi)[:, None] / wavelength
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

    y = encode(height)[:, None, :].expand(height, width, features)
    x = encode(width)[None, :, :].expand(height, width, features)
    return torch.cat((y, x), dim=2).permute(2, 0, 1)[None]
