"""A confusion matrix as a picture."""

from collections.abc import Sequence
from html import escape

import numpy as np

from bisenetformer_ros.report.page import Html

WIDTH = 960
_LEFT, _TOP, _RIGHT = 150, 118, 70
_LARGEST_CELL = 46
_SMALLEST_CELL_WITH_TEXT = 26
_VISIBLE = 0.005
"""Smaller shares of a row are left blank."""
_DARK = 0.35
"""From this share on, white text can be read on the cell."""


def heat_map(counts: np.ndarray, row_names: Sequence[str], column_names: Sequence[str]) -> Html:
    """counts: (R, C), not negative. A cell shows its share of the row; the diagonal is right, all else wrong."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = min(_LARGEST_CELL, (WIDTH - _LEFT - _RIGHT) / max(1, len(column_names)))
    parts = [_row_name(index, name, cell) for index, name in enumerate(row_names)]
    parts += [_column_name(index, name, cell) for index, name in enumerate(column_names)]
    for row, column in np.argwhere(shares >= _VISIBLE).tolist():
        share = float(shares[row, column])
        tip = f"{row_names[row]} as {column_names[column]}: {100 * share:.1f} %, {int(counts[row, column])}"
        parts.append(_cell(row, column, share, cell, tip))
    parts.append(
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{cell * len(column_names):.1f}" '
        f'height="{cell * len(row_names):.1f}"/>'
    )
    width, height = _LEFT + cell * len(column_names) + _RIGHT, _TOP + cell * len(row_names) + 1
    return Html(
        f'<svg class="heat" style="max-width:{width:.0f}px" viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
        f"{''.join(parts)}</svg>"
    )


def _cell(row: int, column: int, share: float, size: float, tip: str) -> str:
    x, y = _LEFT + column * size, _TOP + row * size
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


def _row_name(index: int, name: str, size: float) -> str:
    y = _TOP + (index + 0.5) * size
    return f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end"{_font(size)}>{escape(name)}</text>'


def _column_name(index: int, name: str, size: float) -> str:
    x, y = _LEFT + (index + 0.5) * size + 4, _TOP - 8
    turn = f'transform="rotate(-55 {x:.1f} {y})"'
    return f'<text x="{x:.1f}" y="{y}" {turn}{_font(size)}>{escape(name)}</text>'


def _font(size: float) -> str:
    """Names shrink where the rows are too narrow for the page's size."""
    return f' style="font-size:{max(3.0, 0.85 * size):.1f}px"' if size < 15 else ""
