"""Mask logits at camera resolution, a few tiles of the image at a time.

As in Mask2Former, logits are interpolated bilinearly (half-pixel centres, edges repeated) to the padded size, cropped,
and interpolated again to the image size. Both steps are linear and separable, so together they are one sparse matrix
per axis with at most four source pixels per output pixel. The matrices are cut into blocks and applied as small dense
products, columns first, then rows.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from bisenetformer_ros.inference.resize import ResizeBlocks, bilinear_taps
from bisenetformer_ros.results import ImageGeometry

TILE_HEIGHT, TILE_WIDTH = 32, 64
"""At most. Large enough for fast products, small enough that most masks are nearly constant in most tiles."""

INTERMEDIATES = 8
"""Intermediate results per pixel, such as the index of the largest mask, take the memory of this many masks."""


class MaskTiles:
    """Masks at the size of the camera image, cut into T tiles of P pixels, at most TILE_HEIGHT · TILE_WIDTH.

    Tiles are numbered row by row. They divide the image evenly if a tile of at least half that height and width does;
    otherwise the last tile of a row or column reaches beyond it. A rearranged copy of the logits is kept, about 1.9
    times their size if the image is not smaller than the network's input.

    Args:
        mask_logits: (N, h, w), covering the padded image.
        geometry: Sizes of the padded image and the camera image.

    Attributes:
        inside: (T, P) bool, pixels that belong to the image; None if all do.
    """

    def __init__(self, mask_logits: Tensor, geometry: ImageGeometry) -> None:
        device = mask_logits.device
        self._image_size = geometry.image_size
        height, width = mask_logits.shape[1:]
        image_height, image_width = geometry.image_size
        tile_height = tile_length(image_height, TILE_HEIGHT)
        tile_width = tile_length(image_width, TILE_WIDTH)
        self._tile_size = tile_height, tile_width
        rows, columns = plan_mask_resize((height, width), geometry, self._tile_size)
        self._grid = len(rows.first), len(columns.first)
        self._row_weights = torch.from_numpy(rows.weights).to(device)
        self._column_weights = torch.from_numpy(columns.weights).transpose(1, 2).contiguous().to(device)
        places = torch.from_numpy(rows.sources[:, None, :, None] * width + columns.sources[None, :, None, :])
        windows = mask_logits.float().flatten(1).index_select(1, places.flatten().to(device))
        # (N, T, row taps, column taps): the sources of each tile
        self._windows = windows.unflatten(1, (-1, rows.num_taps, columns.num_taps))
        self.inside = None
        covered_size = self._grid[0] * tile_height, self._grid[1] * tile_width
        if covered_size != geometry.image_size:
            inside = torch.zeros(covered_size, dtype=torch.bool, device=device)
            inside[:image_height, :image_width] = True
            self.inside = self._split(inside)

    @property
    def num_pixels(self) -> int:
        """P."""
        return self._tile_size[0] * self._tile_size[1]

    def new_map(self, dtype: torch.dtype) -> Tensor:
        """Return (T, P) zeros."""
        return self._row_weights.new_zeros(self._grid[0] * self._grid[1], self.num_pixels, dtype=dtype)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Return lower and upper bounds of the logits of each tile and mask, (T, N) each."""
        lowest, highest = torch.aminmax(self._windows.flatten(2), dim=2)
        return lowest.T, highest.T

    def logits(self, tiles: Tensor, masks: Tensor) -> Tensor:
        """Interpolate the masks (B, M) of the tiles (B,), both int64: (B, M, P) float32, undefined beyond the image."""
        windows = self._windows[masks, tiles[:, None]]
        of_rows, of_columns = tiles // self._grid[1], tiles % self._grid[1]
        rows = torch.bmm(windows.flatten(1, 2), self._column_weights[of_columns]).unflatten(1, windows.shape[1:3])
        return torch.matmul(self._row_weights[of_rows][:, None], rows).flatten(2)

    def batches(self, counts: Tensor, num_bytes: int) -> Iterator[tuple[Tensor, int]]:
        """Batch the tiles, those with similar counts together.

        Args:
            counts: (T,) number of masks that matter in each tile.
            num_bytes: Approximate memory for a batch's logits and intermediate results; at least one tile is taken.

        Yields:
            Tile indices (B,), and the largest count among them, at least 1.
        """
        ordered, tiles = counts.clamp(min=1).sort(descending=True)
        largest = ordered.tolist()
        first = 0
        while first < len(largest):
            batch = max(1, num_bytes // (4 * self.num_pixels * (largest[first] + INTERMEDIATES)))
            yield tiles[first : first + batch], largest[first]
            first += batch

    def assemble(self, values: Tensor) -> Tensor:
        """Put tiles (T, P) in their places and crop to the image: (H, W), contiguous."""
        image = values.view(*self._grid, *self._tile_size).transpose(1, 2).flatten(2).flatten(0, 1)
        return image[: self._image_size[0], : self._image_size[1]].contiguous()

    def _split(self, image: Tensor) -> Tensor:
        """Invert `assemble` for the whole area that the tiles cover."""
        (rows, columns), (height, width) = self._grid, self._tile_size
        tiles = image.view(rows, height, columns, width).transpose(1, 2)
        return tiles.flatten(2).flatten(0, 1)


def tile_length(length: int, longest: int) -> int:
    """Return the longest tile that divides the length, or `longest` if only tiles of less than half of it do."""
    return next((tile for tile in range(longest, longest // 2 - 1, -1) if length % tile == 0), longest)


def plan_mask_resize(
    mask_size: tuple[int, int], geometry: ImageGeometry, block_size: tuple[int, int]
) -> tuple[ResizeBlocks, ResizeBlocks]:
    """Plan the resize of masks to the camera image, for blocks of (height, width) `block_size`: rows, columns."""

    def plan(source: int, padded: int, resized: int, image: int, block: int) -> ResizeBlocks:
        taps = bilinear_taps(resized, image).after(bilinear_taps(source, padded))
        return ResizeBlocks.plan(taps, source, block)

    sizes = mask_size, geometry.padded_size, geometry.resized_size, geometry.image_size, block_size
    rows, columns = (plan(*lengths) for lengths in zip(*sizes, strict=True))
    return rows, columns
