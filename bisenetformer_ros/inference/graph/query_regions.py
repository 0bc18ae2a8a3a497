"""Areas, boxes and centroids of the regions of a query map, as operators of a graph.

A histogram without an operator for one: pixels are numbered by what they are (in the region of query q, owned by q
outside its region, of nobody), the number is written with two digits, and the product of the digits' one-hot codes
counts the pairs. For 100 queries that is 30 values per pixel instead of 201. Counted per row and per column, it gives
boxes and centroids as well.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.inference.graph.mask_strips import STRIP_BYTES, rows_within

MAX_COUNT = 256
"""Lines are counted in pieces of so many pixels: also bfloat16, in which OpenVINO may multiply, is exact up to here."""


class QueryRegions(nn.Module):
    def __init__(self, num_queries: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        self.num_queries = num_queries
        self.height, self.width = image_size
        self.base = math.isqrt(2 * num_queries) + 1  # base² > 2 · num_queries, the largest number
        self.strip_height = rows_within(STRIP_BYTES, 4 * self.base * self.width, self.height)
        self.register_buffer("digits", torch.arange(self.base, dtype=torch.float32))

    def forward(self, owner: Tensor, owned: Tensor, inside: Tensor) -> tuple[Tensor, list[Tensor]]:
        """owner (B, H, W) float32 query of each pixel; owned: that is so indeed; inside: and it lies in its region.

        Returns the owned areas, and of the regions area, x_min, y_min, x_max, y_max, x_mean, y_mean: (B, N) each.
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
        """number (B, H, W) → pixels of each number per row (B, H, base²) and per column (B, W, base²)."""
        high = torch.floor((number + 0.5) / self.base)  # half a step away from where a division may err
        low = number - self.base * high
        per_row, per_column = [], []
        for top in range(0, self.height, self.strip_height):
            rows = slice(top, top + self.strip_height)
            per_row.append(self._pairs(high[:, rows], low[:, rows]))
            per_column.append(self._pairs(high[:, rows].transpose(1, 2), low[:, rows].transpose(1, 2)))
        return torch.cat(per_row, dim=1), torch.stack(per_column).sum(dim=0)

    def _pairs(self, high: Tensor, low: Tensor) -> Tensor:
        """(B, L, M) digits → (B, L, base²): how often each pair of digits occurs in a line."""
        length = high.shape[2]
        pieces = -(-length // MAX_COUNT)
        size = -(-length // pieces)
        padding = (0, pieces * size - length)
        high = F.pad(high, padding, value=-1.0).unflatten(2, (pieces, size))  # no digit is -1: the padding counts as 0
        low = F.pad(low, padding).unflatten(2, (pieces, size))
        high_codes = (high[:, :, :, None] == self.digits[:, None]).float()
        low_codes = (low[:, :, :, :, None] == self.digits).float()
        return torch.matmul(high_codes, low_codes).sum(dim=2).flatten(2)


def _extent(counts: Tensor, area: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """counts (B, L, N) pixels per line → first line, line after the last, mean line: (B, N) each, 0 for no pixels."""
    length = counts.shape[1]
    lines = torch.arange(length, dtype=torch.float32, device=counts.device)[:, None]
    present = counts > 0
    first = torch.where(present, lines, float(length)).amin(dim=1) * (area > 0).float()
    end = (present.float() * (lines + 1)).amax(dim=1)
    return first, end, (counts * lines).sum(dim=1) / area.clamp(min=1)
