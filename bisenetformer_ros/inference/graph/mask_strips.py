"""`MaskTiles` as operators of a graph: maps at camera resolution, one strip of rows at a time.

The strips are unrolled: each is a handful of operators, and no tensor holds more than one of them.
"""

import numpy as np
import torch
from torch import Tensor, nn

from bisenetformer_ros.inference.resize import ResizeBlocks
from bisenetformer_ros.inference.tiles import TILE_WIDTH, mask_taps
from bisenetformer_ros.results import ImageGeometry

STRIP_BYTES = 32 * 2**20
"""Of one tensor of a strip. Larger than what `postprocess` uses: every strip costs a graph more operators."""


class MaskStrips(nn.Module):
    """Upsamples `num_maps` maps of (height, width) `map_size`, which cover the padded image, to the camera image."""

    def __init__(self, num_maps: int, map_size: tuple[int, int], geometry: ImageGeometry) -> None:
        super().__init__()
        self.height, self.width = geometry.image_size
        taps = [
            mask_taps(source, padded, resized, image)
            for source, padded, resized, image in zip(
                map_size, geometry.padded_size, geometry.resized_size, geometry.image_size, strict=True
            )
        ]
        self.strip_height = rows_within(STRIP_BYTES, 4 * num_maps * self.width, self.height)
        rows = ResizeBlocks.plan(taps[0], map_size[0], self.strip_height)
        columns = ResizeBlocks.plan(taps[1], map_size[1], TILE_WIDTH)
        self.first_rows = rows.first.tolist()
        self.row_taps, self.column_taps = rows.num_taps, columns.num_taps
        tile_columns = (columns.first[:, None] + np.arange(columns.num_taps)).flatten()
        self.num_beyond = self.height * (len(columns.first) * TILE_WIDTH - self.width)
        self.register_buffer("tile_columns", torch.from_numpy(tile_columns))
        self.register_buffer("row_weights", torch.from_numpy(rows.weights))
        self.register_buffer("column_weights", torch.from_numpy(columns.weights).transpose(1, 2).contiguous())

    def forward(self, maps: Tensor) -> list[Tensor]:
        """(B, N, h, w) → strips (B, R, T, N, TILE_WIDTH) of R rows in T tiles; 0 in columns beyond the image."""
        tiles = maps.index_select(3, self.tile_columns).unflatten(3, (-1, self.column_taps))
        tiles = tiles.permute(0, 2, 3, 1, 4)
        tile_shape = tiles.shape[2:]
        tiles = tiles.flatten(2)
        strips = []
        for index, first in enumerate(self.first_rows):
            height = min(self.strip_height, self.height - index * self.strip_height)
            rows = torch.matmul(self.row_weights[index, :height], tiles[:, first : first + self.row_taps])
            strips.append(torch.matmul(rows.unflatten(2, tile_shape), self.column_weights))
        return strips

    def count_not_negative(self, strips: list[Tensor]) -> Tensor:
        """(B, N): the pixels of the image where a map is at least 0, which it is in all columns beyond the image."""
        counts = [(strip >= 0).float().sum(dim=4).sum(dim=(1, 2)) for strip in strips]
        return torch.stack(counts).sum(dim=0) - self.num_beyond

    def join_tiles(self, values: Tensor) -> Tensor:
        """(B, R, T, TILE_WIDTH) → (B, R, W): tiles side by side, without the columns beyond the image."""
        return values.flatten(2)[:, :, : self.width]


def rows_within(num_bytes: int, row_bytes: int, height: int) -> int:
    """Rows of a strip: at most `num_bytes`, at least one row, and strips of about the same height."""
    most = max(1, min(height, num_bytes // row_bytes))
    return -(-height // -(-height // most))
