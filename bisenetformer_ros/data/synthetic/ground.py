"""Road, pavement, grass, markings, and the shadows that lie on them."""

import cv2
import numpy as np

from bisenetformer_ros.data.synthetic.camera import clip_near
from bisenetformer_ros.data.synthetic.canvas import SHIFT, Canvas
from bisenetformer_ros.data.synthetic.classes import PAVEMENT, ROAD, TREE
from bisenetformer_ros.data.synthetic.layout import PERIOD_M, Layout, Side
from bisenetformer_ros.data.synthetic.textures import generator, noise, rough, to_uint8

HALF_WIDTH_M = 12.0
ACROSS = 32
"""Texels per metre across the road, and ALONG it."""
ALONG = 16
BINS = 128
"""Steps per metre of the label profile."""
LEVELS = 4
SHAPE = (int(PERIOD_M * ALONG), int(2 * HALF_WIDTH_M * ACROSS))


class Ground:
    """The ground of one drive: a texture that repeats along the road, and the labels across it."""

    def __init__(self, layout: Layout):
        self._layout = layout
        rng = generator(layout.seed, 2)
        texture = to_uint8(GroundPainter(layout, rng).paint())
        # Along the road things shrink with the square of the distance, across it with the distance.
        self._levels = [
            cv2.resize(texture, (SHAPE[1] >> j, max(SHAPE[0] >> (2 * j), 4)), interpolation=cv2.INTER_AREA)
            for j in range(LEVELS)
        ]
        position = (np.arange(int(2 * HALF_WIDTH_M * BINS)) + 0.5) / BINS - HALF_WIDTH_M
        self._profile = np.full(position.shape, ROAD, np.uint16)
        for side in layout.sides:
            distance = position * side.sign
            self._profile[distance >= side.curb] = PAVEMENT
            self._profile[distance >= side.curb + side.pavement] = TREE if side.verge else PAVEMENT
            self._profile[distance >= side.line] = TREE if side.kind in ("houses", "park") else PAVEMENT

    def draw(self, canvas: Canvas, shadows: list[tuple[np.ndarray, float]]) -> None:
        """shadows: (N, 2) outlines on the ground as (u, s) and how dark each is, 0..1."""
        camera = canvas.camera
        first, z = camera.ground_rows()
        if first >= camera.size[0]:
            return
        columns = (np.arange(camera.size[1]) - camera.center_x).astype(np.float32)
        lateral = (camera.lateral - 0.5 * camera.curvature * z * z).astype(np.float32)
        across = columns[None] * (z / camera.focal).astype(np.float32)[:, None] + lateral[:, None]
        across = np.clip(across + np.float32(HALF_WIDTH_M), 0.02, 2 * HALF_WIDTH_M - 0.02)
        along = np.mod(camera.station + z, PERIOD_M)
        canvas.codes[first:] = self._labels(across, along)
        color = self._colors(across, along, z, camera.focal)
        haze = canvas.light.haze(z).astype(np.float32)[:, None, None]
        lit = 1 - self._shadow_mask(canvas, first, shadows).astype(np.float32)[..., None] / 255
        canvas.rgb[first:] = color * (lit * (1 - haze)) + canvas.light.fog_color * haze

    def _labels(self, across: np.ndarray, along: np.ndarray) -> np.ndarray:
        labels = np.take(self._profile, (across * BINS).astype(np.int32))
        for start, end in self._layout.junctions:
            labels[(along >= start) & (along < end)] = ROAD
        return labels

    def _colors(self, across: np.ndarray, along: np.ndarray, z: np.ndarray, focal: float) -> np.ndarray:
        color = np.empty((*across.shape, 3), np.uint8)
        sharp_until = focal / ACROSS * 1.4
        level = np.clip(np.floor(np.log2(np.maximum(z / sharp_until, 1e-3))) + 1, 0, LEVELS - 1).astype(int)
        for j in range(LEVELS):
            rows = np.flatnonzero(level == j)
            if len(rows) == 0:
                continue
            band = slice(rows[0], rows[-1] + 1)
            image = self._levels[j]
            map_x = across[band] * np.float32(ACROSS / 2**j) - np.float32(0.5)
            map_y = (along[band] * (image.shape[0] / PERIOD_M) - 0.5).astype(np.float32)
            map_y = np.broadcast_to(map_y[:, None], map_x.shape).copy()
            color[band] = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return color

    def _shadow_mask(self, canvas: Canvas, first: int, shadows: list[tuple[np.ndarray, float]]) -> np.ndarray:
        camera = canvas.camera
        mask = np.zeros((camera.size[0] - first, camera.size[1]), np.uint8)
        for outline, darkness in sorted(shadows, key=lambda shadow: shadow[1]):
            points = np.stack([outline[:, 0], np.zeros(len(outline)), outline[:, 1]], axis=1)
            visible = clip_near(camera.to_camera(points))
            if len(visible) >= 3:
                corners = camera.to_pixels(visible) - (0, first)
                corners = np.round(corners * (1 << SHIFT)).astype(np.int32)
                cv2.fillConvexPoly(mask, corners, int(255 * darkness), cv2.LINE_8, SHIFT)
        return cv2.blur(mask, (5, 3))


class GroundPainter:
    """Paints one period of the ground, (96 m, 24 m), as float32 RGB."""

    def __init__(self, layout: Layout, rng: np.random.Generator):
        self._layout = layout
        self._rng = rng
        self._u = ((np.arange(SHAPE[1]) + 0.5) / ACROSS - HALF_WIDTH_M)[None]
        self._s = ((np.arange(SHAPE[0]) + 0.5) / ALONG)[:, None]
        self._in_junction = np.zeros(SHAPE[0], bool)
        for start, end in layout.junctions:
            self._in_junction |= (self._s[:, 0] >= start) & (self._s[:, 0] < end)

    def paint(self) -> np.ndarray:
        image = self._road()
        for side in self._layout.sides:
            self._pave(image, side)
        self._markings(image)
        return image

    def _road(self) -> np.ndarray:
        rng = self._rng
        grey = rng.uniform(85, 135)
        image = rough(rng, grey + rng.normal(0, 3, 3), SHAPE, rng.uniform(4, 9), rng.uniform(2, 6))
        for track in (-0.75, 0.75):
            for middle in (-0.5, 0.5):
                distance = self._u - self._layout.lane * middle - track
                image -= (rng.uniform(3, 12) * np.exp(-((distance / 0.25) ** 2)))[..., None].astype(np.float32)
        for _ in range(rng.integers(2, 9)):  # patches where the road was dug up
            row, column = rng.integers(0, SHAPE[0] - 60), rng.integers(200, SHAPE[1] - 200)
            height, width = rng.integers(12, 160), rng.integers(20, 120)
            image[row : row + height, column : column + width] += rng.uniform(-22, 14)
        for _ in range(rng.integers(2, 6)):  # manholes
            center = (int(rng.integers(250, SHAPE[1] - 250)), int(rng.integers(20, SHAPE[0] - 20)))
            cv2.ellipse(image, center, (11, 6), 0, 0, 360, [grey * 0.55] * 3, -1)
        cracks = np.abs(noise(rng, SHAPE, 40.0, 90.0)) < 0.012
        image[cracks] -= rng.uniform(0, 25)
        return image

    def _pave(self, image: np.ndarray, side: Side) -> None:
        rng = self._rng
        tone = rng.uniform(95, 165) + rng.normal(0, 1, 3) * 4 + np.array([5.0, 1.0, -4.0]) * rng.uniform(-0.3, 1.5)
        if rng.random() < 0.15:
            tone = np.array([150.0, 105.0, 90.0]) * rng.uniform(0.8, 1.1)  # red brick paving
        distance = self._u[0] * side.sign
        paved = rough(rng, tone, SHAPE, rng.uniform(4, 8), rng.uniform(2, 7))
        slab = rng.choice([0.4, 0.6, 0.9])
        if rng.random() < 0.75:
            paved[:, ((distance - side.curb) % slab) < 0.03] -= rng.uniform(8, 25)
            paved[(self._s[:, 0] % (slab * rng.choice([1, 1.5]))) < 0.06] -= rng.uniform(5, 20)
        outside = ~self._in_junction
        self._fill(image, paved, distance >= side.curb, outside)
        grass = self._grass(rng)
        if side.verge:
            self._fill(image, grass, (distance >= side.curb + side.pavement) & (distance < side.line), outside)
        if side.kind in ("houses", "park"):
            self._fill(image, grass, distance >= side.line, outside)
        curb = (distance >= side.curb - 0.02) & (distance < side.curb + 0.14)
        stone = rough(rng, np.full(3, tone.mean() + rng.uniform(-5, 35)), SHAPE, 5, 3)
        stone[(self._s[:, 0] % 0.9) < 0.06] -= 25
        self._fill(image, stone, curb, outside)
        gutter = (distance >= side.curb - 0.3) & (distance < side.curb - 0.02)
        self._fill(image, image * 0.8, gutter, outside)

    def _grass(self, rng: np.random.Generator) -> np.ndarray:
        color = np.array([rng.uniform(70, 125), rng.uniform(95, 135), rng.uniform(40, 70)])
        return rough(rng, color, SHAPE, 14, 8)

    @staticmethod
    def _fill(image: np.ndarray, source: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> None:
        where = np.ix_(rows, columns)
        image[where] = source[where]

    def _markings(self, image: np.ndarray) -> None:
        rng, layout = self._rng, self._layout
        paint = np.float32(rng.uniform(190, 240))
        worn = np.clip(0.85 + 0.3 * noise(rng, SHAPE, 3.0), 0.2, 1.0)[..., None]
        white = np.zeros(SHAPE, bool)
        dash, cycle = [(2.0, 6.0), (4.0, 6.0), (3.0, 9.0), (96.0, 96.0)][rng.integers(0, 4)]
        white |= (np.abs(self._u) < 0.06) & (self._s % cycle < dash)
        yellow = np.zeros(SHAPE, bool)
        for side in layout.sides:
            distance = self._u * side.sign
            if side.parking:
                white |= (np.abs(distance - side.curb + side.parking) < 0.05) & (self._s % 6.0 < 5.4)
            elif rng.random() < 0.5:
                inner = np.abs(distance - side.curb + 0.32) < 0.04
                outer = np.abs(distance - side.curb + 0.5) < 0.04
                yellow |= (inner | outer) & np.ones_like(self._s, bool)
            elif rng.random() < 0.5:
                white |= (np.abs(distance - side.curb + 0.4) < 0.05) & np.ones_like(self._s, bool)
        white[self._in_junction] = False
        yellow[self._in_junction] = False
        for start, _ in layout.junctions:
            self._crossing(white, start - 5.0)
        for mask, color in ((white, (paint, paint, paint)), (yellow, (paint * 0.85, paint * 0.7, paint * 0.3))):
            weight = worn * mask[..., None]
            image += weight * (np.array(color, np.float32) - image)

    def _crossing(self, white: np.ndarray, start: float) -> None:
        """A zebra crossing with its give-way lines, or the stop line of a traffic light."""
        road = (self._u > -self._layout.sides[0].curb + 0.3) & (self._u < self._layout.sides[1].curb - 0.3)
        rows = (self._s >= start) & (self._s < start + 2.8)
        white[rows[:, 0]] = False
        if self._rng.random() < 0.5:
            white |= rows & road & (self._u % 1.1 < 0.55)
        else:
            white |= (self._s >= start - 0.2) & (self._s < start + 0.15) & road & (self._u * self._layout.hand > 0)
