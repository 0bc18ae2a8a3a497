"""Where a feature lies, as sines and cosines of many wavelengths (Carion et al., DETR, ECCV 2020)."""

import math

import torch
from torch import Tensor

TEMPERATURE = 10000.0
EPSILON = 1e-6  # keeps the authors' normalization: coordinates end just below 2π


def sine_position_encoding(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """(1, channels, height, width) float32 in -1..1: the first half encodes y, the second x.

    Coordinates count from 1, are scaled to 2π at the last row and column, and alternate sine and cosine over
    channels / 2 features per axis. channels: a multiple of 4.
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
