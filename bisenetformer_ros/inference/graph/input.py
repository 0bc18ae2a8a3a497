"""Preprocessing and normalization as operators of a graph: from camera frames to the network's input."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.inference.resize import ResizeBlocks, Taps, area_taps, bilinear_taps
from bisenetformer_ros.results import ImageGeometry

BLOCK_SIZE = 64
"""Rows or columns resized in one product: large enough to be fast, small enough for few zero weights."""


class FrameInput(nn.Module):
    """`preprocess` and the network's normalization as operators.

    Args:
        geometry: Sizes of frames, resized and padded images.
        pixel_mean: R, G, B, 0..255.
        pixel_std: R, G, B, 0..255.
        colours: Channel order of the frames, "rgb" or "bgr".
    """

    channels: Tensor
    mean: Tensor
    scale: Tensor

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
            rows, columns = resize_taps(geometry)
            (height, width), (new_height, new_width) = geometry.image_size, geometry.resized_size
            self.rows = AxisResize(ResizeBlocks.plan(rows, height, BLOCK_SIZE), new_height)
            self.columns = AxisResize(ResizeBlocks.plan(columns, width, BLOCK_SIZE), new_width)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (B, H, W, 3) uint8 to (B, 3, padded height, padded width) float32, 0 in the padding."""
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
        """Resize (B, H, W, 3) to (B, 3, resized height, resized width)."""
        width = self.geometry.image_size[1]
        rows = self.rows(images.flatten(2)).unflatten(2, (width, 3))
        resized = self.columns(rows.permute(0, 2, 3, 1).flatten(2)).unflatten(2, (3, rows.shape[1]))
        return resized.permute(0, 2, 3, 1)


def resize_taps(geometry: ImageGeometry) -> tuple[Taps, Taps]:
    """Return the taps of the rows and columns of the resized image, as `preprocess` interpolates them."""
    shrinks = np.prod(geometry.resized_size) < np.prod(geometry.image_size)
    taps = area_taps if shrinks else bilinear_taps
    rows, columns = (taps(*lengths) for lengths in zip(geometry.image_size, geometry.resized_size, strict=True))
    return rows, columns


class AxisResize(nn.Module):
    """Resizes (B, source, M) to (B, target, M)."""

    taps: Tensor
    weights: Tensor

    def __init__(self, blocks: ResizeBlocks, target: int) -> None:
        super().__init__()
        self.num_taps = blocks.num_taps
        self.target = target
        self.register_buffer("taps", torch.from_numpy(blocks.sources.flatten()))
        self.register_buffer("weights", torch.from_numpy(blocks.weights))

    def forward(self, source: Tensor) -> Tensor:
        blocks = source.index_select(1, self.taps).unflatten(1, (-1, self.num_taps))
        return torch.matmul(self.weights, blocks).flatten(1, 2)[:, : self.target]
