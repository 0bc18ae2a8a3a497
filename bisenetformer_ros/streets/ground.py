"""Road, pavement, grass and markings, and the shadows on them."""

import cv2
import numpy as np

from bisenetformer_ros.streets.camera import clip_near
from bisenetformer_ros.streets.canvas import PAVEMENT, ROAD, SHIFT, TREE, Canvas, fixed_point
from bisenetformer_ros.streets.layout import PERIOD_M, Layout
from bisenetformer_ros.streets.pavement import ACROSS, HALF_WIDTH_M, SHAPE, GroundPainter
from bisenetformer_ros.streets.shadows import Shadow
from bisenetformer_ros.streets.textures import generator

BINS = 128
"""Resolution of the label profile, per metre."""
LEVELS = 4


class Ground:
    """The ground of one drive: a texture that repeats along the road, and a profile of labels across it."""

    def __init__(self, layout: Layout):
        self._layout = layout
        rng = generator(layout.seed, 2)
        texture = GroundPainter(layout, rng).paint()
        # Lengths along the road shrink with the square of the distance, lengths across it with the distance.
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
            self._profile[distance >= side.line] = TREE if side.is_green else PAVEMENT

    def draw(self, canvas: Canvas, shadows: list[Shadow]) -> None:
        """Fill the rows below the horizon; `shadows` are sorted from bright to dark."""
        camera = canvas.camera
        first, z = camera.ground_rows()
        if first >= camera.size[0]:
            return
        if canvas.relief is not None:  # exact, unlike z, in the row at the horizon
            below = np.arange(first, camera.size[0]) - camera.center_y
            canvas.relief.background[first:] = below[:, None] / (camera.focal * camera.height)
        columns = (np.arange(camera.size[1]) - camera.center_x).astype(np.float32)
        lateral = (camera.lateral - 0.5 * camera.curvature * z * z).astype(np.float32)
        across = columns[None] * (z / camera.focal).astype(np.float32)[:, None] + lateral[:, None]
        across = np.clip(across + np.float32(HALF_WIDTH_M), 0.02, 2 * HALF_WIDTH_M - 0.02)
        along = np.mod(camera.station + z, PERIOD_M)
        canvas.codes[first:] = self._labels(across, along)
        color = self._colors(across, along, z, camera.focal)
        haze = (1 - np.exp(-canvas.light.fog_density * z)).astype(np.float32)[:, None, None]
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

    def _shadow_mask(self, canvas: Canvas, first: int, shadows: list[Shadow]) -> np.ndarray:
        camera = canvas.camera
        mask = np.zeros((camera.size[0] - first, camera.size[1]), np.uint8)
        if not shadows:
            return mask
        outlines = np.concatenate([shadow.outline for shadow in shadows])
        points = np.zeros((len(outlines), 3))
        points[:, ::2] = outlines
        points = camera.to_camera(points)
        start = 0
        for shadow in shadows:
            size = len(shadow.outline)
            visible = clip_near(points[start : start + size])
            start += size
            if len(visible) >= 3:
                corners = fixed_point(camera.to_pixels(visible) - np.array([0, first]))
                cv2.fillConvexPoly(mask, corners, int(255 * shadow.darkness), cv2.LINE_8, SHIFT)
        return cv2.blur(mask, (5, 3))
