"""The picture being painted, far to near; colours and labels are always set on the same pixels."""

import math

import cv2
import numpy as np

from bisenetformer_ros.streets.camera import NEAR_M, StreetCamera, clip_near
from bisenetformer_ros.streets.light import Light
from bisenetformer_ros.streets.relief import Relief
from bisenetformer_ros.streets.textures import Texture

LABEL_MAP = "camvid11"
"""Name of the label map that the class ids below belong to."""
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN_SYMBOL, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)

SHIFT = 3
"""Fractional bits of polygon corners in OpenCV."""
SMALL_PX = 60
"""Surfaces whose bounding box has fewer pixels get one colour."""


def fixed_point(pixels: np.ndarray) -> np.ndarray:
    """Convert pixel coordinates for OpenCV's polygon functions with SHIFT."""
    return np.rint(pixels * (1 << SHIFT)).astype(np.int32)


class Canvas:
    """(H, W, 3) uint8 `rgb`, and (H, W) uint16 `codes`: class ids of stuff, codes of things (see street.py).

    `relief` collects the depth of the same pixels; None leaves it out.
    """

    def __init__(self, camera: StreetCamera, light: Light, relief: Relief | None = None):
        self.camera = camera
        self.relief = relief
        self.light = light
        self.rgb = np.zeros((*camera.size, 3), np.uint8)
        self.codes = np.zeros(camera.size, np.uint16)

    def polygon(self, points: np.ndarray, color: np.ndarray, code: int, brightness: float = 1.0) -> None:
        """Fill a convex polygon, (N, 3) camera coordinates, with one lit colour."""
        self.panels(points, [len(points)], color[None], np.array([brightness]), code)

    def panels(
        self, points: np.ndarray, sizes: list[int], colors: np.ndarray, brightness: np.ndarray, code: int
    ) -> None:
        """Fill the convex polygons of one body in order.

        Args:
            points: (N, 3) camera coordinates of all corners.
            sizes: Number of corners of each of the M polygons.
            colors: (M, 3) RGB.
            brightness: (M,).
            code: Of the body.
        """
        shades = self.light.shades(colors, brightness, float(points[:, 2].mean()))
        if points[:, 2].min() < NEAR_M:
            polygons = [clip_near(part) for part in np.split(points, np.cumsum(sizes)[:-1])]
            points, sizes = np.concatenate(polygons), [len(polygon) for polygon in polygons]
        corners = fixed_point(self.camera.to_pixels(points))
        start = 0
        for size, shade in zip(sizes, shades, strict=True):
            polygon, outline = corners[start : start + size], points[start : start + size]
            start += size
            if size >= 3:
                cv2.fillConvexPoly(self.rgb, polygon, shade, cv2.LINE_8, SHIFT)
                cv2.fillConvexPoly(self.codes, polygon, code, cv2.LINE_8, SHIFT)
                if self.relief is not None:
                    cv2.fillConvexPoly(self.relief.strokes, polygon, self.relief.number(outline), cv2.LINE_8, SHIFT)

    def surface(
        self, texture: Texture, corner: np.ndarray, along: np.ndarray, down: np.ndarray, code: int, brightness: float
    ) -> None:
        """Paint a flat rectangle, given by its top left corner and two edge vectors in camera coordinates."""
        outline = clip_near(np.array([corner, corner + along, corner + along + down, corner + down]))
        if len(outline) < 3:
            return
        pixels = self.camera.to_pixels(outline)
        box = self._box(pixels)
        if box is None:
            return
        x0, y0, x1, y1 = box
        if texture.alpha is None and (x1 - x0) * (y1 - y0) < SMALL_PX:
            self.polygon(outline, texture.mean_color, code, brightness)
            return
        nearest = float(outline[:, 2].min())
        texels = texture.size[0] / np.linalg.norm(down) * 0.5 * (nearest + outline[:, 2].max()) / self.camera.focal
        color, alpha = texture.level(texels)
        homography = self._homography(corner, along / color.shape[1], down / color.shape[0], x0, y0)
        size = (x1 - x0, y1 - y0)
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(mask, fixed_point(pixels - (x0, y0)), 255, cv2.LINE_8, SHIFT)
        patch = cv2.warpPerspective(color, homography, size, None, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
        if alpha is not None:
            alpha = cv2.warpPerspective(alpha, homography, size, None, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
            mask = cv2.min(mask, alpha)
        table = self.light.table(brightness, float(outline[:, 2].mean()))
        self._put(patch, mask, box, outline, code, table, texture.soft)

    def billboard(
        self, texture: Texture, foot: np.ndarray, size_m: tuple[float, float], code: int, brightness: float = 1.0
    ) -> None:
        """Paint an upright texture with alpha, (width, height) metres, at the point `foot`, facing the camera."""
        scale = self.camera.focal / foot[2]
        bottom = self.camera.to_pixels(foot[None])[0]
        width, height = size_m[0] * scale, size_m[1] * scale
        corner = bottom - (width / 2, height)
        box = self._box(np.array([corner, corner + np.array([width, height])]))
        if box is None:
            return
        x0, y0, x1, y1 = box
        color, alpha = texture.level(texture.size[0] / max(height, 1.0))
        assert alpha is not None
        step = np.array([width / color.shape[1], height / color.shape[0]])
        offset = corner - (x0, y0) + 0.5 * step - 0.5
        matrix = np.array([[step[0], 0, offset[0]], [0, step[1], offset[1]]])
        size = (x1 - x0, y1 - y0)
        patch = cv2.warpAffine(color, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = cv2.warpAffine(alpha, matrix, size, flags=cv2.INTER_LINEAR)
        self._put(patch, mask, box, foot[None], code, self.light.table(brightness, float(foot[2])), texture.soft)

    def _put(
        self,
        patch: np.ndarray,
        alpha: np.ndarray,
        box: tuple[int, int, int, int],
        outline: np.ndarray,
        code: int,
        table: np.ndarray,
        soft: bool,
    ) -> None:
        x0, y0, x1, y1 = box
        region = self.rgb[y0:y1, x0:x1]
        patch = cv2.LUT(patch, table)
        labelled = alpha > Texture.LABEL_ALPHA
        if soft:
            weight = alpha.astype(np.float32) * labelled / np.float32(255)
            region[:] = cv2.blendLinear(patch, np.ascontiguousarray(region), weight, 1 - weight)
        else:
            cv2.copyTo(patch, labelled.view(np.uint8), region)
        np.copyto(self.codes[y0:y1, x0:x1], np.uint16(code), where=labelled)
        if self.relief is not None:
            self.relief.strokes[y0:y1, x0:x1][labelled] = self.relief.number(outline)

    def _homography(self, corner: np.ndarray, right: np.ndarray, down: np.ndarray, x0: int, y0: int) -> np.ndarray:
        camera = self.camera
        intrinsics = np.array(
            [[camera.focal, 0, camera.center_x - x0], [0, camera.focal, camera.center_y - y0], [0, 0, 1.0]]
        )
        texel_centers = corner + 0.5 * (right + down)
        return intrinsics @ np.stack([right, down, texel_centers], axis=1)

    def _box(self, pixels: np.ndarray) -> tuple[int, int, int, int] | None:
        height, width = self.camera.size
        (left, top), (right, bottom) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
        x0, y0 = max(math.floor(left), 0), max(math.floor(top), 0)
        x1, y1 = min(math.ceil(right) + 1, width), min(math.ceil(bottom) + 1, height)
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
