"""The ground seen from above: asphalt, paving, grass and markings."""

import cv2
import numpy as np

from bisenetformer_ros.streets.layout import PERIOD_M, Layout, Side
from bisenetformer_ros.streets.textures import noise, to_uint8

HALF_WIDTH_M = 12.0
ACROSS = 32
"""Texels per metre across the road; ALONG: along it."""
ALONG = 16
SHAPE = (int(PERIOD_M * ALONG), int(2 * HALF_WIDTH_M * ACROSS))


def _columns(start_u: float, end_u: float) -> slice:
    """Return the columns between two positions across the road, at least one."""
    first = int(np.clip(round((min(start_u, end_u) + HALF_WIDTH_M) * ACROSS), 0, SHAPE[1] - 1))
    last = int(np.clip(round((max(start_u, end_u) + HALF_WIDTH_M) * ACROSS), first + 1, SHAPE[1]))
    return slice(first, last)


class GroundPainter:
    """Paints one period of the ground, PERIOD_M long and 2 HALF_WIDTH_M wide."""

    def __init__(self, layout: Layout, rng: np.random.Generator):
        self._layout = layout
        self._rng = rng
        self._s = (np.arange(SHAPE[0]) + 0.5) / ALONG
        self._open = np.ones(SHAPE[0], bool)
        for start, end in layout.junctions:
            self._open &= (self._s < start) | (self._s >= end)
        self._grain = noise(rng, SHAPE, 1.0)
        self._blotches = noise(rng, SHAPE, 40.0, 24.0) + 0.6 * noise(rng, SHAPE, 12.0, 8.0)

    def paint(self) -> np.ndarray:
        """Return (H, W, 3) uint8 RGB of SHAPE; rows run along the road."""
        image = self._road()
        for side in self._layout.sides:
            self._roadside(image, side)
            self._edge_lines(image, side)
        self._middle_line(image)
        for start, _ in self._layout.junctions:
            self._crossing(image, start - 5.0)
        return to_uint8(image)

    def _surface(self, color: np.ndarray | float, grain: float, blotch: float, columns: slice) -> np.ndarray:
        light = grain * self._grain[:, columns] + blotch * self._blotches[:, columns]
        return np.asarray(color, np.float32) + light[..., None]

    def _road(self) -> np.ndarray:
        rng = self._rng
        grey = rng.uniform(80, 135)
        image = self._surface(grey + rng.normal(0, 2.5, 3), rng.uniform(4, 9), rng.uniform(2, 6), slice(None))
        u = (np.arange(SHAPE[1]) + 0.5) / ACROSS - HALF_WIDTH_M
        worn = np.zeros(SHAPE[1], np.float32)
        for track in (-0.75, 0.75):
            for middle in (-0.5, 0.5):
                worn += np.exp(-(((u - self._layout.lane * middle - track) / 0.25) ** 2))
        image -= (rng.uniform(2, 12) * worn)[None, :, None]
        for _ in range(rng.integers(2, 9)):  # patches where the road was dug up
            row, column = rng.integers(0, SHAPE[0] - 60), rng.integers(200, SHAPE[1] - 200)
            height, width = rng.integers(12, 160), rng.integers(20, 120)
            image[row : row + height, column : column + width] += rng.uniform(-22, 14)
        for _ in range(rng.integers(2, 6)):  # manholes
            center = (int(rng.integers(250, SHAPE[1] - 250)), int(rng.integers(20, SHAPE[0] - 20)))
            cv2.ellipse(image, center, (11, 6), 0, 0, 360, [grey * 0.72] * 3, -1)
        image[np.abs(noise(rng, SHAPE, 40.0, 90.0)) < 0.012] -= rng.uniform(0, 25)  # cracks
        return image

    def _roadside(self, image: np.ndarray, side: Side) -> None:
        out, open_rows = side.sign, self._open
        gutter = _columns(out * (side.curb - 0.3), out * side.curb)
        image[open_rows, gutter] *= np.float32(self._rng.uniform(0.7, 0.95))
        outside = _columns(out * side.curb, out * HALF_WIDTH_M)
        image[open_rows, outside] = self._paving(side, outside)[open_rows]
        grass = np.array([self._rng.uniform(70, 125), self._rng.uniform(92, 132), self._rng.uniform(40, 70)])
        strips = [(side.curb + side.pavement, side.line)] if side.verge else []
        if side.is_green:
            strips.append((side.line, HALF_WIDTH_M))
        for start, end in strips:
            columns = _columns(out * start, out * end)
            image[open_rows, columns] = self._surface(grass, 14, 8, columns)[open_rows]
        curb = _columns(out * side.curb, out * (side.curb + 0.14))
        stone = self._surface(self._rng.uniform(110, 190), 5, 3, curb)
        stone[self._s % 0.9 < 0.06] -= 25
        image[open_rows, curb] = stone[open_rows]

    def _paving(self, side: Side, columns: slice) -> np.ndarray:
        rng = self._rng
        tone = rng.uniform(90, 165) + rng.normal(0, 4, 3) + np.array([5.0, 1.0, -4.0]) * rng.uniform(-0.3, 1.5)
        if rng.random() < 0.15:
            tone = np.array([150.0, 105.0, 90.0]) * rng.uniform(0.8, 1.1)  # red brick
        paved = self._surface(tone, rng.uniform(4, 8), rng.uniform(2, 7), columns)
        if rng.random() < 0.75:
            slab = rng.choice([0.4, 0.6, 0.9])
            across = np.arange(paved.shape[1]) / ACROSS
            paved[:, across % slab < 0.03] -= rng.uniform(8, 25)
            paved[self._s % (slab * rng.choice([1, 1.5])) < 0.06] -= rng.uniform(5, 20)
        return paved

    def _line(self, image: np.ndarray, start_u: float, end_u: float, rows: np.ndarray, color: np.ndarray) -> None:
        """Paint a worn line on some of the rows."""
        columns = _columns(start_u, end_u)
        weight = np.clip(0.8 + 0.15 * self._blotches[rows, columns] + 0.08 * self._grain[rows, columns], 0.1, 1)
        image[rows, columns] += weight[..., None] * (color - image[rows, columns])

    def _edge_lines(self, image: np.ndarray, side: Side) -> None:
        rng, out = self._rng, side.sign
        white = np.full(3, rng.uniform(185, 235), np.float32)
        yellow = np.array([200.0, 165.0, 70.0], np.float32) * np.float32(rng.uniform(0.8, 1.1))
        if side.parking:
            middle = out * (side.curb - side.parking)
            self._line(image, middle - 0.05, middle + 0.05, self._open & (self._s % 6.0 < 5.4), white)
        elif rng.random() < 0.5:
            for offset in (0.3, 0.5):
                middle = out * (side.curb - offset)
                self._line(image, middle - 0.04, middle + 0.04, self._open, yellow)
        elif rng.random() < 0.5:
            middle = out * (side.curb - rng.uniform(0.35, 0.9))
            self._line(image, middle - 0.06, middle + 0.06, self._open, white)

    def _middle_line(self, image: np.ndarray) -> None:
        rng = self._rng
        white = np.full(3, rng.uniform(190, 240), np.float32)
        dash, cycle = [(2.0, 6.0), (4.0, 6.0), (3.0, 8.0), (PERIOD_M, PERIOD_M)][rng.integers(0, 4)]
        rows = self._open & (self._s % cycle < dash)
        if rng.random() < 0.2:
            self._line(image, -0.16, -0.06, rows, white)
            self._line(image, 0.06, 0.16, self._open, white)
        else:
            self._line(image, -0.06, 0.06, rows, white)

    def _crossing(self, image: np.ndarray, start: float) -> None:
        """A zebra crossing, or the stop line of a traffic light."""
        left, right = -self._layout.sides[0].curb + 0.3, self._layout.sides[1].curb - 0.3
        white = np.full(3, self._rng.uniform(190, 235), np.float32)
        if self._rng.random() < 0.5:
            rows = (self._s >= start) & (self._s < start + 2.8)
            for u in np.arange(left, right - 0.5, 1.1):
                self._line(image, u, u + 0.55, rows, white)
        else:
            rows = (self._s >= start) & (self._s < start + 0.35)
            self._line(image, 0.1 * self._layout.hand, right if self._layout.hand > 0 else left, rows, white)
