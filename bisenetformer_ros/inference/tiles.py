"""Mask logits at camera resolution, some tiles of the image at a time.

The definition is Mask2Former's: interpolate bilinearly (half-pixel centres, edges repeated) to the padded size, cut the
padding off, interpolate the same way to the image size. Both steps are linear and act on each axis alone, so together
they are one sparse matrix per axis, with at most four source pixels per output pixel. Here those matrices are cut into
blocks and applied as small dense products: columns first, then rows.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from bisenetformer_ros.inference.resize import ResizeBlocks, Taps, bilinear_taps
from bisenetformer_ros.results import ImageGeometry

TILE_HEIGHT, TILE_WIDTH = 32, 64
"""Large enough for fast products, small enough that most masks are the same everywhere in most tiles."""

MADE_OF_MASKS = 8
"""What follows from the masks at a pixel, such as the index of the largest, takes the memory of so many masks."""


class MaskTiles:
    """`mask_logits` (N, h, w), which cover the padded image, at the size of the camera image, cut into T tiles.

    Tiles have P = TILE_HEIGHT · TILE_WIDTH pixels and are numbered row by row; the last of a row and of a column can
    reach beyond the image. Held is a re-arranged copy of `mask_logits`, about 1.9 times as large (for images not
    smaller than the network's input).

    inside: (T, P) bool, which pixels belong to the image; None if all do.
    """

    def __init__(self, mask_logits: Tensor, geometry: ImageGeometry) -> None:
        device = mask_logits.device
        self._image_size = geometry.image_size
        taps = [
            mask_taps(source, padded, resized, image)
            for source, padded, resized, image in zip(
                mask_logits.shape[1:], geometry.padded_size, geometry.resized_size, geometry.image_size, strict=True
            )
        ]
        rows = ResizeBlocks.plan(taps[0], mask_logits.shape[1], TILE_HEIGHT)
        columns = ResizeBlocks.plan(taps[1], mask_logits.shape[2], TILE_WIDTH)
        self._grid = len(rows.first), len(columns.first)
        self._row_weights = torch.from_numpy(rows.weights).to(device)
        self._column_weights = torch.from_numpy(columns.weights).transpose(1, 2).contiguous().to(device)
        places = _sources(rows)[:, None, :, None] * mask_logits.shape[2] + _sources(columns)[None, :, None, :]
        windows = mask_logits.float().flatten(1).index_select(1, places.flatten().to(device))
        # (N, T, row taps, column taps): what a tile is interpolated from
        self._windows = windows.unflatten(1, (-1, rows.num_taps, columns.num_taps))
        covered = torch.zeros(self._grid[0] * TILE_HEIGHT, self._grid[1] * TILE_WIDTH, dtype=torch.bool, device=device)
        covered[: self._image_size[0], : self._image_size[1]] = True
        self.inside = None if covered.all() else self._split(covered)

    def new_map(self, dtype: torch.dtype) -> Tensor:
        """(T, P) zeros."""
        return self._row_weights.new_zeros(self._grid[0] * self._grid[1], TILE_HEIGHT * TILE_WIDTH, dtype=dtype)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Smallest and largest value, (T, N) each, that the logits of each tile and mask can have."""
        values = self._windows.flatten(2)
        return values.amin(2).T, values.amax(2).T

    def logits(self, tiles: Tensor, masks: Tensor) -> Tensor:
        """(B, M, P) float32, of the tiles (B,) the masks (B, M), both int64; of no meaning beyond the image."""
        windows = self._windows[masks, tiles[:, None]]
        of_rows, of_columns = tiles // self._grid[1], tiles % self._grid[1]
        rows = torch.bmm(windows.flatten(1, 2), self._column_weights[of_columns]).unflatten(1, windows.shape[1:3])
        return torch.matmul(self._row_weights[of_rows][:, None], rows).flatten(2)

    def batches(self, counts: Tensor, num_bytes: int) -> Iterator[tuple[Tensor, int]]:
        """All tiles, (B,) at a time, and the largest count among each batch, at least 1.

        counts: (T,), how many masks of each tile are of interest; tiles of similar counts come together. The logits of
        that many masks, with what is made of them, take about `num_bytes`, or one tile if that is larger.
        """
        ordered, tiles = counts.clamp(min=1).sort(descending=True)
        largest = ordered.tolist()
        first = 0
        while first < len(largest):
            batch = max(1, num_bytes // (4 * TILE_HEIGHT * TILE_WIDTH * (largest[first] + MADE_OF_MASKS)))
            yield tiles[first : first + batch], largest[first]
            first += batch

    def join(self, values: Tensor) -> Tensor:
        """(T, P) → (H, W), contiguous: tiles in their places, without what is beyond the image."""
        image = values.view(*self._grid, TILE_HEIGHT, TILE_WIDTH).transpose(1, 2).flatten(2).flatten(0, 1)
        return image[: self._image_size[0], : self._image_size[1]].contiguous()

    def _split(self, image: Tensor) -> Tensor:
        """The inverse of `join`, for all that the tiles cover."""
        tiles = image.view(self._grid[0], TILE_HEIGHT, self._grid[1], TILE_WIDTH).transpose(1, 2)
        return tiles.flatten(2).flatten(0, 1)


def mask_taps(source: int, padded: int, resized: int, image: int) -> Taps:
    """One axis of the definition above, for masks of length `source`: → padded, cut to resized, → image."""
    return bilinear_taps(resized, image).after(bilinear_taps(source, padded))


def _sources(blocks: ResizeBlocks) -> Tensor:
    """(blocks, taps) the place of every tap in the source."""
    return torch.from_numpy(blocks.first[:, None] + np.arange(blocks.num_taps))
