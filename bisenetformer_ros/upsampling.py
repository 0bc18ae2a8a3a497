"""Mask logits at camera resolution, one strip of rows at a time.

The definition is Mask2Former's: interpolate bilinearly (half-pixel centres, edges repeated) to the padded size, cut the
padding off, interpolate the same way to the image size. Both steps are linear and act on each axis alone, so together
they are one sparse matrix per axis, with at most four source pixels per output pixel. A strip is those matrices cut
into blocks and applied as small dense products: rows first, then columns, tile by tile.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from bisenetformer_ros.results import ImageGeometry

TILE_WIDTH = 64
"""Columns of a tile: wide enough for fast products, narrow enough that few of a block's weights are zero."""


@dataclass(frozen=True)
class Strip:
    """Some rows of all masks. logits: (R, T, N, TILE_WIDTH) for R rows, T tiles side by side and N masks.

    Columns beyond the right edge of the image are -inf.
    """

    rows: slice
    logits: torch.Tensor
    image_width: int

    def join_tiles(self, values: torch.Tensor) -> torch.Tensor:
        """(R, T, TILE_WIDTH) → (R, W): tiles side by side, without the columns beyond the image."""
        return values.flatten(1)[:, : self.image_width]


class MaskUpsampler:
    """Streams `mask_logits` (N, h, w), which cover the padded image, at the size of the camera image.

    A strip holds at most `strip_bytes`, or one row if a row is larger. Besides that, a re-arranged copy of the small
    masks is held, about 1.3 times their size.
    """

    def __init__(self, mask_logits: torch.Tensor, geometry: ImageGeometry, strip_bytes: int) -> None:
        num_masks, height, width = mask_logits.shape
        (image_height, self.image_width) = geometry.image_size
        row_bytes = max(1, num_masks) * -(-self.image_width // TILE_WIDTH) * TILE_WIDTH * 4
        strip_height = min(image_height, max(1, strip_bytes // row_bytes))
        sizes = [(geometry.padded_size[i], geometry.resized_size[i], geometry.image_size[i]) for i in (0, 1)]
        self._rows = _Blocks.plan(height, *sizes[0], strip_height)
        columns = _Blocks.plan(width, *sizes[1], TILE_WIDTH)
        device = mask_logits.device
        self._row_weights = torch.from_numpy(self._rows.weights).to(device)
        self._column_weights = torch.from_numpy(columns.weights).to(device).transpose(1, 2)
        self._tiles = _gather_tiles(mask_logits.float(), columns)
        self._image_height = image_height

    def __iter__(self) -> Iterator[Strip]:
        taps, (_, num_tiles, num_masks, column_taps) = self._rows.num_taps, self._tiles.shape
        strip_height = self._rows.block_size
        column_weights = self._column_weights.repeat(strip_height, 1, 1)
        beyond = num_tiles * TILE_WIDTH - self.image_width
        for block, first in enumerate(self._rows.first):
            top = block * strip_height
            count = min(strip_height, self._image_height - top)
            source = self._tiles[first : first + taps].flatten(1)
            rows = self._row_weights[block, :count] @ source
            logits = torch.bmm(rows.view(count * num_tiles, num_masks, column_taps), column_weights[: count * num_tiles])
            logits = logits.view(count, num_tiles, num_masks, TILE_WIDTH)
            if beyond:
                logits[:, -1, :, -beyond:] = -torch.inf
            yield Strip(slice(top, top + count), logits, self.image_width)


@dataclass(frozen=True)
class _Blocks:
    """The resize matrix of one axis in dense blocks: outputs of block b = weights[b] @ source[first[b] : + num_taps]."""

    first: np.ndarray  # (blocks,) int
    weights: np.ndarray  # (blocks, block_size, num_taps) float32

    @property
    def block_size(self) -> int:
        return self.weights.shape[1]

    @property
    def num_taps(self) -> int:
        return self.weights.shape[2]

    @classmethod
    def plan(cls, source: int, padded: int, resized: int, image: int, block_size: int) -> "_Blocks":
        taps, weights = _composed_taps(source, padded, resized, image)
        num_blocks = -(-image // block_size)
        block = np.arange(image) // block_size
        starts = np.arange(num_blocks) * block_size
        first = np.minimum.reduceat(taps.min(axis=1), starts)
        last = np.maximum.reduceat(taps.max(axis=1), starts)
        num_taps = int((last - first).max()) + 1
        first = np.minimum(first, source - num_taps)
        dense = np.zeros((num_blocks, block_size, num_taps))
        place = (block[:, None], (np.arange(image) % block_size)[:, None], taps - first[block, None])
        np.add.at(dense, place, weights)
        return cls(first, dense.astype(np.float32))


def _composed_taps(source: int, padded: int, resized: int, image: int) -> tuple[np.ndarray, np.ndarray]:
    """(image, 4) source indices and their weights: source → padded, cut to resized, → image."""
    inner_taps, inner_weights = _bilinear_taps(source, padded)
    outer_taps, outer_weights = _bilinear_taps(resized, image)
    taps = inner_taps[outer_taps].reshape(image, 4)
    weights = (outer_weights[:, :, None] * inner_weights[outer_taps]).reshape(image, 4)
    return taps, weights


def _bilinear_taps(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """(target, 2) source indices and weights of F.interpolate(mode="bilinear", align_corners=False) on one axis."""
    position = np.maximum((np.arange(target) + 0.5) * (source / target) - 0.5, 0)
    lower = np.minimum(position.astype(int), source - 1)
    upper = np.minimum(lower + 1, source - 1)
    fraction = position - lower
    return np.stack([lower, upper], axis=1), np.stack([1 - fraction, fraction], axis=1)


def _gather_tiles(mask_logits: torch.Tensor, columns: _Blocks) -> torch.Tensor:
    """(N, h, w) → (h, T, N, taps): the source columns each tile needs."""
    index = torch.from_numpy(columns.first[:, None] + np.arange(columns.num_taps)).to(mask_logits.device)
    return mask_logits[:, :, index].permute(1, 2, 0, 3).contiguous()
