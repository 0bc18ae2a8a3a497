"""A confusion matrix as inline SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from bisenetformer_ros.reports.page import Html

WIDTH = 960
_RIGHT = 70
_LETTER = 7.0
"""Estimated width of a letter, to reserve space for names."""
_TILT = 55
"""Degrees by which the names above the columns are rotated."""
_LARGEST_CELL = 46
_SMALLEST_CELL_WITH_TEXT = 26
_VISIBLE = 0.005
"""Smaller shares of a row are not drawn."""
_DARK = 0.35
"""Above this share, text on the cell is white."""


def heat_map(counts: np.ndarray, row_names: Sequence[str], column_names: Sequence[str]) -> Html:
    """Return a matrix whose cells show their share of the row; cells on the diagonal are correct, the others wrong.

    Args:
        counts: (R, C) non-negative counts.
        row_names: R names.
        column_names: C names.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    grid = _Grid.of(row_names, column_names)
    parts = [grid.row_name(index, name) for index, name in enumerate(row_names)]
    parts += [grid.column_name(index, name) for index, name in enumerate(column_names)]
    for row, column in np.argwhere(shares >= _VISIBLE).tolist():
        share = float(shares[row, column])
        tip = f"{row_names[row]} as {column_names[column]}: {100 * share:.1f} %, {int(counts[row, column])}"
        parts.append(grid.cell(row, column, share, tip))
    width, height = grid.cell_size * len(column_names), grid.cell_size * len(row_names)
    frame = f'x="{grid.left:.1f}" y="{grid.top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    parts.append(f'<rect class="frame" {frame}/>')
    size = grid.left + width + _RIGHT, grid.top + height + 1
    return Html(
        f'<svg class="heat" style="max-width:{size[0]:.0f}px" viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" role="img">'
        f"{''.join(parts)}</svg>"
    )


@dataclass(frozen=True)
class _Grid:
    """Layout: square cells of `cell_size` to the right of `left` and below `top`."""

    left: float
    top: float
    cell_size: float

    @classmethod
    def of(cls, row_names: Sequence[str], column_names: Sequence[str]) -> "_Grid":
        left = 16 + _LETTER * max(map(len, row_names), default=0)
        top = 16 + _LETTER * max(map(len, column_names), default=0) * math.sin(math.radians(_TILT))
        return cls(left, top, min(_LARGEST_CELL, (WIDTH - left - _RIGHT) / max(1, len(column_names))))

    def cell(self, row: int, column: int, share: float, tip: str) -> str:
        size = self.cell_size
        x, y = self.left + column * size, self.top + row * size
        kind = "right" if row == column else "wrong"
        strength = 0.08 + 0.92 * share**0.5
        text = ""
        if size >= _SMALLEST_CELL_WITH_TEXT:
            middle = f'x="{x + size / 2:.1f}" y="{y + size / 2 + 4:.1f}"'
            look = ' class="strong"' if share > _DARK else ""
            text = f'<text {middle} text-anchor="middle"{look}>{100 * share:.0f}</text>'
        return (
            f'<g><title>{escape(tip)}</title><rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" '
            f'height="{size:.1f}" fill-opacity="{strength:.2f}"/>{text}</g>'
        )

    def row_name(self, index: int, name: str) -> str:
        y = self.top + (index + 0.5) * self.cell_size + 4
        return f'<text x="{self.left - 8:.1f}" y="{y:.1f}" text-anchor="end"{self._font()}>{escape(name)}</text>'

    def column_name(self, index: int, name: str) -> str:
        x, y = self.left + (index + 0.5) * self.cell_size + 4, self.top - 8
        turn = f'transform="rotate({-_TILT} {x:.1f} {y:.1f})"'
        return f'<text x="{x:.1f}" y="{y:.1f}" {turn}{self._font()}>{escape(name)}</text>'

    def _font(self) -> str:
        """Shrink names where the rows are too narrow for the page's font size."""
        size = self.cell_size
        return f' style="font-size:{max(3.0, 0.85 * size):.1f}px"' if size < 15 else ""
