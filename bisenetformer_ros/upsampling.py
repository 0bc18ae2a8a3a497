"""Mask logits at camera resolution, one strip of rows at a time.

The definition is Mask2Former's: interpolate bilinearly (half-pixel centres, edges repeated) to the padded size, cut the
padding off, interpolate the same way to the image size. Both steps are linear and act on each axis alone, so together
they are one sparse matrix per axis, with at most four source pixels per output pixel. Here those matrices are cut into
blocks and applied as small dense products: rows first, then columns, tile by tile.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from bisenetformer_ros.axis_resize import ResizeBlocks, Taps, bilinear_taps
from bisenetformer_ros.results import ImageGeometry

TILE_WIDTH = 64
"""Columns of a tile: wide enough for fast products, narrow enough that few of a block's weights are zero."""


class MaskUpsampler:
    """Streams `mask_logits` (N, h, w), which cover the padded image, at the size of the camera image.

    The logits of a strip take at most `strip_bytes`, or one row if that is larger. Besides, a re-arranged copy of
    `mask_logits` is held, about 1.3 times as large (for images not smaller than the network's input).
    """

    def __init__(self, mask_logits: torch.Tensor, geometry: ImageGeometry, strip_bytes: int) -> None:
        num_masks, height, width = mask_logits.shape
        image_height, image_width = geometry.image_size
        row_bytes = 4 * max(1, num_masks) * _round_up(image_width, TILE_WIDTH)
        strip_height = min(image_height, max(1, strip_bytes // row_bytes))
        sizes = [
            (geometry.padded_size[axis], geometry.resized_size[axis], geometry.image_size[axis]) for axis in (0, 1)
        ]
        rows = ResizeBlocks.plan(mask_taps(height, *sizes[0]), height, strip_height)
        columns = ResizeBlocks.plan(mask_taps(width, *sizes[1]), width, TILE_WIDTH)

        def to_device(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(mask_logits.device)

        self._source = mask_logits.new_empty(
            (height, len(columns.first), num_masks, columns.num_taps), dtype=torch.float32
        )
        for tile, first in enumerate(columns.first):
            self._source[:, tile] = mask_logits[:, :, first : first + columns.num_taps].transpose(0, 1)
        self._rows = rows
        self._row_weights = to_device(rows.weights)
        # One copy per row: the strip is one batch of (N, taps) x (taps, TILE_WIDTH), a batch entry per row and tile.
        self._column_weights = to_device(columns.weights).transpose(1, 2).repeat(strip_height, 1, 1)
        self._image_size = geometry.image_size

    def __iter__(self) -> Iterator["Strip"]:
        height, width = self._image_size
        for block, first in enumerate(self._rows.first):
            top = block * self._rows.block_size
            bottom = min(top + self._rows.block_size, height)
            yield Strip(
                slice(top, bottom),
                width,
                self._source[first : first + self._rows.num_taps],
                self._row_weights[block, : bottom - top],
                self._column_weights,
            )


@dataclass(frozen=True, eq=False)
class Strip:
    """The image rows `rows` of all masks, not yet computed; T tiles of TILE_WIDTH columns cover `image_width`."""

    rows: slice
    image_width: int
    source: torch.Tensor  # (row taps, T, N, column taps): the logits this strip is interpolated from
    row_weights: torch.Tensor  # (R, row taps)
    column_weights: torch.Tensor  # (at least R * T, column taps, TILE_WIDTH)

    def bounds(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Smallest and largest value, (T, N) each, that the logits of each tile and mask can have."""
        return self.source.amin((0, 3)), self.source.amax((0, 3))

    def logits(self, masks: torch.Tensor | None = None) -> torch.Tensor:
        """(R, T, N, TILE_WIDTH) float32 logits; -inf in columns beyond the image.

        masks: (T, M) indices of the masks wanted of each tile; then the result has M instead of N.
        """
        source = self.source
        if masks is not None:
            source = source[:, torch.arange(len(masks), device=masks.device)[:, None], masks]
        shape = (len(self.row_weights), *source.shape[1:3], TILE_WIDTH)
        rows = (self.row_weights @ source.flatten(1)).view(-1, *source.shape[2:])
        logits = torch.bmm(rows, self.column_weights[: len(rows)]).view(shape)
        beyond = shape[1] * TILE_WIDTH - self.image_width
        if beyond:
            logits[:, -1, :, -beyond:] = -torch.inf
        return logits

    def join_tiles(self, values: torch.Tensor) -> torch.Tensor:
        """(R, T, TILE_WIDTH) → (R, W): tiles side by side, without the columns beyond the image."""
        return values.flatten(1)[:, : self.image_width]


def mask_taps(source: int, padded: int, resized: int, image: int) -> Taps:
    """One axis of the definition above, for masks of length `source`: → padded, cut to resized, → image."""
    return bilinear_taps(resized, image).after(bilinear_taps(source, padded))


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
