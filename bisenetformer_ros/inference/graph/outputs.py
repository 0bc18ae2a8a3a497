"""Postprocessing as operators of a graph: from logits to the outputs that `contract.OUTPUTS` defines.

The panoptic graph does the work of `postprocess_panoptic` on pixels. What remains for the host are the N rows of a
table: which queries become segments.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.inference.graph.contract import NO_QUERY
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.inference.tiles import TILE_WIDTH, plan_mask_resize
from bisenetformer_ros.results import ImageGeometry

STRIP_BYTES = 32 * 2**20
"""Size of one tensor of a strip; larger than in `postprocess`, since every strip adds operators to the graph."""
MAX_COUNT = 256
"""Pixels per counted piece of a line; even bfloat16, in which OpenVINO may multiply, is exact up to here."""


class SemanticOutput(nn.Module):
    """`postprocess_semantic` as operators."""

    def __init__(
        self,
        num_classes: int,
        num_queries: int,
        mask_size: tuple[int, int],
        geometry: ImageGeometry,
        order: SemanticOrder = "full",
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.order = order
        self.strips = MaskStrips(num_classes if order == "coarse" else num_queries, mask_size, geometry)

    def forward(self, class_logits: Tensor, mask_logits: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, N, K+1), (B, N, h, w) float32 to label_map and confidence, (B, H, W) uint8 each."""
        probabilities = class_logits.softmax(dim=2)[:, :, : self.num_classes].transpose(1, 2)
        maps = mask_logits
        if self.order == "coarse":
            maps = torch.matmul(probabilities, mask_logits.sigmoid().flatten(2)).unflatten(2, mask_logits.shape[2:])
        best, labels = [], []
        for strip in self.strips(maps):
            scores = strip if self.order == "coarse" else torch.matmul(probabilities[:, None, None], strip.sigmoid())
            strip_best, strip_labels = scores.max(dim=3)
            best.append(self.strips.join_tiles(strip_best))
            labels.append(self.strips.join_tiles(strip_labels.float()))
        return _to_uint8(torch.cat(labels, dim=1)), _to_uint8(torch.cat(best, dim=1).clamp(0, 1) * 255)


class PanopticOutput(nn.Module):
    """The part of `postprocess_panoptic` that works on pixels, as operators."""

    def __init__(self, num_classes: int, num_queries: int, mask_size: tuple[int, int], geometry: ImageGeometry) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.strips = MaskStrips(num_queries, mask_size, geometry)
        self.regions = QueryRegions(num_queries, geometry.image_size)

    def forward(
        self, class_logits: Tensor, mask_logits: Tensor, score_threshold: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Assign pixels to queries and measure the regions.

        Args:
            class_logits: (B, N, K+1) float32.
            mask_logits: (B, N, h, w) float32.
            score_threshold: () float32, 0 to 1.

        Returns:
            query_map and confidence, (B, H, W) uint8 each, and query_table (B, N, 11) float32.
        """
        scores, classes = class_logits.softmax(dim=2).max(dim=2)
        kept = ((classes != self.num_classes) & (scores > score_threshold)).float()
        kept_scores = scores * kept
        owner, best, mask_areas = self._assign_pixels(mask_logits, kept_scores)
        owner_scores = kept_scores.gather(1, owner.flatten(1)).unflatten(1, best.shape[1:])
        owner = owner.float()
        owned = owner_scores > 0
        inside = owned & (best >= 0.5 * owner_scores)
        owned_areas, regions = self.regions(owner, owned, inside)
        table = [classes.float(), scores, owned_areas, mask_areas * kept, *regions]
        query_map = torch.where(inside, owner, float(NO_QUERY))
        return _to_uint8(query_map), _to_uint8((best * inside.float()).clamp(0, 1) * 255), torch.stack(table, dim=2)

    def _assign_pixels(self, mask_logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find each pixel's owner by `scores` (B, N), which are 0 for queries that take no part.

        Returns owner (B, H, W) int64, its score · probability, and the mask areas (B, N) of all queries. Where every
        score is 0, the owner is an arbitrary query with score 0.
        """
        owners, bests, counts = [], [], []
        for strip in self.strips(mask_logits):
            counts.append((strip >= 0).float().sum(dim=4).sum(dim=(1, 2)))
            best, owner = (strip.sigmoid() * scores[:, None, None, :, None]).max(dim=3)
            bests.append(self.strips.join_tiles(best))
            owners.append(self.strips.join_tiles(owner))
        mask_areas = torch.stack(counts).sum(dim=0) - self.strips.num_beyond  # a strip is 0 beyond the image
        return torch.cat(owners, dim=1), torch.cat(bests, dim=1), mask_areas


class MaskStrips(nn.Module):
    """`MaskTiles` as operators: upsamples maps, which cover the padded image, to the camera image strip by strip.

    Strips are unrolled: each is a handful of operators, no tensor holds more than one strip, and a strip can be freed
    before the next one is computed.

    Args:
        num_maps: Maps per image.
        map_size: (height, width) of the maps.
        geometry: Sizes of the padded image and the camera image.

    Attributes:
        num_beyond: Pixels of all strips beyond the image.
    """

    tile_columns: Tensor
    row_weights: Tensor
    column_weights: Tensor

    def __init__(self, num_maps: int, map_size: tuple[int, int], geometry: ImageGeometry) -> None:
        super().__init__()
        self.height, self.width = geometry.image_size
        self.strip_height = _rows_within(STRIP_BYTES, 4 * num_maps * self.width, self.height)
        rows, columns = plan_mask_resize(map_size, geometry, (self.strip_height, TILE_WIDTH))
        self.first_rows = rows.first.tolist()
        self.row_taps, self.column_taps = rows.num_taps, columns.num_taps
        self.num_beyond = self.height * (len(columns.first) * TILE_WIDTH - self.width)
        self.register_buffer("tile_columns", torch.from_numpy(columns.sources.flatten()))
        self.register_buffer("row_weights", torch.from_numpy(rows.weights))
        self.register_buffer("column_weights", torch.from_numpy(columns.weights).transpose(1, 2).contiguous())

    def forward(self, maps: Tensor) -> Iterator[Tensor]:
        """Upsample (B, N, h, w) to strips (B, R, T, N, TILE_WIDTH) of R rows in T tiles, 0 beyond the image."""
        tiles = maps.index_select(3, self.tile_columns).unflatten(3, (-1, self.column_taps))
        tiles = tiles.permute(0, 2, 3, 1, 4)
        tile_shape = tiles.shape[2:]
        tiles = tiles.flatten(2)
        for index, first in enumerate(self.first_rows):
            height = min(self.strip_height, self.height - index * self.strip_height)
            rows = torch.matmul(self.row_weights[index, :height], tiles[:, first : first + self.row_taps])
            yield torch.matmul(rows.unflatten(2, tile_shape), self.column_weights)

    def join_tiles(self, values: Tensor) -> Tensor:
        """Join (B, R, T, TILE_WIDTH) side by side to (B, R, W), without the columns beyond the image."""
        return values.flatten(2)[:, :, : self.width]


class QueryRegions(nn.Module):
    """Areas, boxes and centroids of the regions of a query map.

    This is a histogram without an operator for one. Each pixel gets a number: query q's region, owned by q outside its
    region, or no owner. The number is written with two digits, and the product of the digits' one-hot codes counts the
    pairs. For 100 queries that takes 30 values per pixel rather than 201. Counts per row and per column also give boxes
    and centroids.
    """

    digits: Tensor

    def __init__(self, num_queries: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        self.num_queries = num_queries
        self.height, self.width = image_size
        self.base = math.isqrt(2 * num_queries) + 1  # base² > 2 · num_queries, the largest number
        self.strip_height = _rows_within(STRIP_BYTES, 4 * self.base * self.width, self.height)
        self.register_buffer("digits", torch.arange(self.base, dtype=torch.float32))

    def forward(self, owner: Tensor, owned: Tensor, inside: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Measure the regions.

        Args:
            owner: (B, H, W) float32, the query that wins each pixel.
            owned: (B, H, W) bool, whether the owner takes part.
            inside: (B, H, W) bool, whether the pixel also lies in the owner's region.

        Returns:
            Owned areas (B, N), and of the regions area, x_min, y_min, x_max, y_max, x_mean, y_mean, (B, N) each.
        """
        number = torch.where(owned, owner + self.num_queries * (~inside).float(), 2.0 * self.num_queries)
        per_row, per_column = self._count(number)
        queries = self.num_queries
        area = per_row[:, :, :queries].sum(dim=1)
        owned_area = area + per_row[:, :, queries : 2 * queries].sum(dim=1)
        y_min, y_max, y_mean = _extent(per_row[:, :, :queries], area)
        x_min, x_max, x_mean = _extent(per_column[:, :, :queries], area)
        return owned_area, [area, x_min, y_min, x_max, y_max, x_mean, y_mean]

    def _count(self, number: Tensor) -> tuple[Tensor, Tensor]:
        """Count the pixels of each number (B, H, W) per row (B, H, base²) and per column (B, W, base²)."""
        high = torch.floor((number + 0.5) / self.base)  # 0.5 keeps away from where the division may round down
        low = number - self.base * high
        per_row, per_column = [], []
        for top in range(0, self.height, self.strip_height):
            rows = slice(top, top + self.strip_height)
            per_row.append(self._pairs(high[:, rows], low[:, rows]))
            per_column.append(self._pairs(high[:, rows].transpose(1, 2), low[:, rows].transpose(1, 2)))
        return torch.cat(per_row, dim=1), torch.stack(per_column).sum(dim=0)

    def _pairs(self, high: Tensor, low: Tensor) -> Tensor:
        """Count each pair of digits (B, L, M) per line: (B, L, base²)."""
        length = high.shape[2]
        pieces = -(-length // MAX_COUNT)
        size = -(-length // pieces)
        padding = (0, pieces * size - length)
        high = F.pad(high, padding, value=-1.0).unflatten(2, (pieces, size))  # no digit is -1: padding is not counted
        low = F.pad(low, padding).unflatten(2, (pieces, size))
        high_codes = (high[:, :, :, None] == self.digits[:, None]).float()
        low_codes = (low[:, :, :, :, None] == self.digits).float()
        return torch.matmul(high_codes, low_codes).sum(dim=2).flatten(2)


def _extent(counts: Tensor, area: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return first line, line after the last, mean line from counts (B, L, N): (B, N) each, 0 without pixels."""
    length = counts.shape[1]
    lines = torch.arange(length, dtype=torch.float32, device=counts.device)[:, None]
    present = counts > 0
    first = torch.where(present, lines, float(length)).amin(dim=1) * (area > 0).float()
    end = (present.float() * (lines + 1)).amax(dim=1)
    return first, end, (counts * lines).sum(dim=1) / area.clamp(min=1)


def _rows_within(num_bytes: int, row_bytes: int, height: int) -> int:
    """Return the rows per strip: at least 1, within `num_bytes` if possible, all strips about equally high."""
    most = max(1, min(height, num_bytes // row_bytes))
    return -(-height // -(-height // most))


def _to_uint8(values: Tensor) -> Tensor:
    """Round float32 in 0..255. TensorRT casts to uint8 only from floating point and only at graph outputs."""
    return values.round().to(torch.uint8)
