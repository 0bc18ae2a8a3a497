"""Camera frames to the network's input: the steps of `preprocess`, and the normalization, as operators of a graph."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.inference.resize import ResizeBlocks, area_taps, bilinear_taps
from bisenetformer_ros.results import ImageGeometry

BLOCK_SIZE = 64
"""Rows or columns that are resized in one product: large enough for fast ones, small enough for few zero weights."""


class FrameInput(nn.Module):
    """Resizes, normalizes and pads frames as `geometry` says. pixel_mean, pixel_std: R, G, B, 0..255.

    colours: the order of the channels in the frames, "rgb" or "bgr".
    """

    def __init__(
        self, geometry: ImageGeometry, pixel_mean: Sequence[float], pixel_std: Sequence[float], colours: str
    ) -> None:
        super().__init__()
        self.geometry = geometry
        self.reorders = colours != "rgb"
        self.register_buffer("channels", torch.tensor(["rgb".index(colour) for colour in colours]))
        self.register_buffer("mean", torch.tensor(pixel_mean).view(3, 1, 1))
        self.register_buffer("scale", 1 / torch.tensor(pixel_std).view(3, 1, 1))
        if geometry.resized_size != geometry.image_size:
            shrinks = np.prod(geometry.resized_size) < np.prod(geometry.image_size)
            taps = area_taps if shrinks else bilinear_taps
            (height, width), (new_height, new_width) = geometry.image_size, geometry.resized_size
            self.rows = AxisResize(ResizeBlocks.plan(taps(height, new_height), height, BLOCK_SIZE), new_height)
            self.columns = AxisResize(ResizeBlocks.plan(taps(width, new_width), width, BLOCK_SIZE), new_width)

    def forward(self, frames: Tensor) -> Tensor:
        """frames (B, H, W, 3) uint8 → (B, 3, padded height, padded width) float32, 0 in the padding."""
        images = frames.float()
        if self.reorders:
            images = images.index_select(3, self.channels)
        if self.geometry.resized_size != self.geometry.image_size:
            images = self._resize(images)
        else:
            images = images.permute(0, 3, 1, 2)
        (height, width), padded = self.geometry.resized_size, self.geometry.padded_size
        return F.pad((images - self.mean) * self.scale, (0, padded[1] - width, 0, padded[0] - height))

    def _resize(self, images: Tensor) -> Tensor:
        """(B, H, W, 3) → (B, 3, resized height, resized width)."""
        width = self.geometry.image_size[1]
        rows = self.rows(images.flatten(2)).unflatten(2, (width, 3))
        resized = self.columns(rows.permute(0, 2, 3, 1).flatten(2)).unflatten(2, (3, rows.shape[1]))
        return resized.permute(0, 2, 3, 1)


class AxisResize(nn.Module):
    """(B, source, M) → (B, target, M)."""

    def __init__(self, blocks: ResizeBlocks, target: int) -> None:
        super().__init__()
        self.num_taps = blocks.num_taps
        self.target = target
        self.register_buffer("taps", torch.from_numpy((blocks.first[:, None] + np.arange(blocks.num_taps)).flatten()))
        self.register_buffer("weights", torch.from_numpy(blocks.weights))

    def forward(self, source: Tensor) -> Tensor:
        blocks = source.index_select(1, self.taps).unflatten(1, (-1, self.num_taps))
        return torch.matmul(self.weights, blocks).flatten(1, 2)[:, : self.target]
