"""Houses and the textures of their fronts, side walls and roofs."""

import cv2
import numpy as np

from bisenetformer_ros.streets.canvas import BUILDING, Canvas
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.textures import Texture, noise, pick, rough, to_uint8

DEPTH_M = 9.0
TEXELS_PER_M = 24

_WALLS = {
    "brick": ((150, 95, 70), (165, 125, 90), (120, 75, 60), (185, 160, 115)),
    "render": ((215, 205, 185), (225, 220, 210), (200, 185, 150), (190, 200, 205), (225, 195, 170)),
    "stone": ((170, 160, 140), (140, 130, 112), (190, 180, 160)),
    "concrete": ((150, 150, 148), (175, 172, 165), (110, 112, 118)),
}
_SIGNS = ((150, 30, 30), (25, 60, 120), (20, 80, 50), (30, 30, 35), (190, 150, 40), (90, 30, 90), (210, 210, 205))


class Building:
    """A house facing the road. The item's u is that of the front; the body extends outwards."""

    def __init__(
        self, rng: np.random.Generator, facade: tuple[Texture, float], gable: Texture, roof: Texture, length: float
    ):
        self._facade, self.height = facade
        self._gable = gable
        self._roof = roof
        self.length = length
        self.width = 0.2
        self._rise = rng.uniform(1.5, 3.5) if rng.random() < 0.7 and self.height < 12 else 0.0
        self._chimney = rng.uniform(0.1, 0.8) if self._rise and rng.random() < 0.6 else None
        self._tone = rng.uniform(0.85, 1.1)

    def draw(self, canvas: Canvas, item: Item) -> None:
        light, side, top = canvas.light, item.side, self.height
        near, far, front = item.s, item.s + self.length, item.u
        back = front + side * DEPTH_M
        ridge = front + side * DEPTH_M / 2
        corners = np.array([
            [front, top, near], [front, top, far], [front, 0, near], [front, 0, far], [back, top, near],
            [back, 0, near], [ridge, top + self._rise, near], [ridge, top + self._rise, far],
        ])  # fmt: skip
        if near < canvas.camera.station + 1:  # the near end is beside the camera, where the parabola is flat
            corners[:, 2] = np.maximum(corners[:, 2], near)
        points = canvas.camera.to_camera(corners)
        wall, facing = light.side_brightness(side) * self._tone, light.facing_brightness * self._tone
        if self._rise:
            eave, peak, peak_far = points[0], points[6], points[7]
            if self._chimney is not None:
                self._draw_chimney(canvas, peak + (peak_far - peak) * self._chimney, facing)
            canvas.surface(self._roof, peak, peak_far - peak, eave - peak, BUILDING, wall)
            canvas.polygon(np.stack([eave, peak, points[4]]), self._gable.mean_color, BUILDING, facing)
        left, right = (points[4], points[0]) if side < 0 else (points[0], points[4])
        canvas.surface(self._gable, left, right - left, points[2] - points[0], BUILDING, facing)
        if side < 0:
            canvas.surface(self._facade, points[0], points[1] - points[0], points[2] - points[0], BUILDING, wall)
        else:
            canvas.surface(self._facade, points[1], points[0] - points[1], points[2] - points[0], BUILDING, wall)

    def _draw_chimney(self, canvas: Canvas, foot: np.ndarray, brightness: float) -> None:
        box = foot + np.array([[-0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, -1.3, 0], [-0.5, -1.3, 0]])
        canvas.polygon(box, self._gable.mean_color, BUILDING, brightness)
        pots = foot + np.array([[-0.3, -1.3, 0], [0.3, -1.3, 0], [0.25, -1.7, 0], [-0.25, -1.7, 0]])
        canvas.polygon(pots, np.array([140.0, 85.0, 65.0]), BUILDING, brightness)


def px(metres: float) -> int:
    return max(1, round(metres * TEXELS_PER_M))


def random_facade(rng: np.random.Generator, kind: str, lit_windows: bool) -> tuple[Texture, float]:
    """Return a house front for a kind of street, and its height in metres."""
    floors = int({"town": rng.integers(2, 6), "terrace": rng.integers(2, 4)}.get(kind, rng.integers(1, 4)))
    floor_m, bays = rng.uniform(2.7, 3.4), int(rng.integers(2, 6))
    width, height = px(rng.uniform(1.9, 3.2) * bays), px(floors * floor_m + rng.uniform(0.3, 1.2))
    image, trim = _wall(rng, (height, width))
    style = _WindowStyle(rng, trim, lit_windows)
    shop = kind == "town" and rng.random() < 0.7
    bay = width / bays
    for floor in range(floors):
        bottom = height - px(floor * floor_m)
        if floor == 0 and shop:
            _shop(rng, image, px(floor_m), trim, lit_windows)
            continue
        door = int(rng.integers(0, bays)) if floor == 0 else -1
        for index in range(bays):
            center = int((index + 0.5) * bay)
            if index == door:
                _door(rng, image, center, trim)
            else:
                style.draw(image, center, bottom - px(0.9 if floor else 0.8), bay, floor_m)
    _cornices(rng, image, trim, floors, floor_m)
    shade = np.linspace(1.04, 0.9, height, dtype=np.float32)[:, None, None]
    return Texture(to_uint8(image * shade)), height / TEXELS_PER_M


def _wall(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    material = str(rng.choice(list(_WALLS), p=(0.45, 0.27, 0.15, 0.13)))
    tones = _WALLS[material]
    color = np.array(pick(rng, tones), np.float32) * rng.uniform(0.75, 1.12) + rng.normal(0, 5, 3)
    image = rough(rng, color, shape, {"brick": 7, "stone": 9}.get(material, 3), 5)
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    if material in ("brick", "stone"):
        course = 2 if material == "brick" else 8
        length = 3 * course
        tint = np.repeat(
            np.repeat(noise(rng, (shape[0] // course + 1, shape[1] // length + 2), 1.0), course, 0), length, 1
        )
        image += (tint[: shape[0], : shape[1]] * 9)[..., None]
        image[(rows % course == 0)[:, 0]] += 10 if material == "brick" else -14
    elif material == "concrete" and rng.random() < 0.6:
        image[:, (columns % px(1.5) < 2)[0]] -= 22
    streaks = np.clip(noise(rng, shape, 5.0, 120.0), 0, 3) * rng.uniform(0, 7)
    image -= streaks[..., None]
    trim = color * rng.uniform(0.7, 0.85) if rng.random() < 0.3 else np.full(3, rng.uniform(190, 235))
    return image, trim.astype(np.float32)


class _WindowStyle:
    """The windows of one front, which look alike."""

    def __init__(self, rng: np.random.Generator, trim: np.ndarray, lit: bool):
        self._rng = rng
        self._trim = trim
        self._lit = lit
        self._wide, self._tall = rng.uniform(0.35, 0.8), rng.uniform(0.42, 0.6)
        self._frame = np.full(3, rng.uniform(210, 245)) if rng.random() < 0.65 else rng.uniform(30, 90, 3)
        self._bars = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        self._glass = rng.uniform(25, 75) + np.array([-4.0, 0.0, 8.0])
        self._sky_share = rng.uniform(0, 0.7)
        self._sill = rng.random() < 0.8

    def draw(self, image: np.ndarray, center: int, bottom: int, bay: float, floor_m: float) -> None:
        rng = self._rng
        half, tall = int(0.5 * self._wide * bay), px(self._tall * floor_m)
        x0, x1, y0, y1 = max(center - half, 1), min(center + half, image.shape[1] - 1), bottom - tall, bottom
        if y0 < 2 or x1 - x0 < 6:
            return
        if self._sill:
            image[max(y0 - 4, 0) : y0 - 1, x0 - 1 : x1 + 1] = self._trim
            image[y1 : y1 + 3, max(x0 - 2, 0) : x1 + 2] = self._trim
            image[y1 + 3 : y1 + 5, x0:x1] *= 0.75
        image[y0:y1, x0:x1] = self._frame
        glass = _glass(rng, (y1 - y0 - 4, x1 - x0 - 4), self._glass, self._sky_share, self._lit)
        image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2] = glass
        for index in range(1, self._bars[0]):
            x = x0 + (x1 - x0) * index // self._bars[0]
            image[y0:y1, x : x + 1 + (x1 - x0 > 30)] = self._frame
        for index in range(1, self._bars[1]):
            y = y0 + (y1 - y0) * index // self._bars[1]
            image[y : y + 2, x0:x1] = self._frame
        image[y0 : y0 + 3, x0:x1] *= 0.6  # shadow of the reveal


def _glass(
    rng: np.random.Generator, shape: tuple[int, int], color: np.ndarray, sky_share: float, lit: bool
) -> np.ndarray:
    height, width = shape
    sky = np.linspace(sky_share * rng.uniform(0.3, 1), 0.0, height, dtype=np.float32)[:, None, None]
    glass = color + (np.array([190.0, 205.0, 220.0]) - color) * sky
    if lit and rng.random() < 0.35:
        glass = glass + np.array([150.0, 115.0, 50.0]) * rng.uniform(0.5, 1)
    glass = np.broadcast_to(glass, (height, width, 3)).copy()
    if rng.random() < 0.4:  # curtains
        share = max(1, int(width * rng.uniform(0.1, 0.3)))
        cloth = rng.uniform(120, 210)
        glass[:, :share] = glass[:, :share] * 0.4 + cloth * 0.6
        glass[:, -share:] = glass[:, -share:] * 0.4 + cloth * 0.6
    return glass + 4 * noise(rng, shape, 6.0)[..., None]


def _door(rng: np.random.Generator, image: np.ndarray, center: int, trim: np.ndarray) -> None:
    height, width = image.shape[:2]
    half, tall = px(0.5), px(2.1)
    x0, x1, y0 = max(center - half, 3), min(center + half, width - 3), max(height - tall, 4)
    image[y0 - 4 : height, x0 - 3 : x1 + 3] = trim
    image[y0:height, x0:x1] = np.array(pick(rng, _SIGNS)) * rng.uniform(0.7, 1.1)
    image[y0 : y0 + px(0.35), x0 + 2 : x1 - 2] = 55
    image[y0 + px(0.6) : y0 + px(0.65), x0 + 3 : x1 - 3] *= 0.7
    image[y0 + px(1.3) : y0 + px(1.35), x0 + 3 : x1 - 3] *= 0.7


def _shop(rng: np.random.Generator, image: np.ndarray, tall: int, trim: np.ndarray, lit: bool) -> None:
    height, width = image.shape[:2]
    top = height - tall
    color = np.array(pick(rng, _SIGNS), np.float32) * rng.uniform(0.7, 1.15)
    image[top:] = color * 0.8
    board = px(rng.uniform(0.5, 0.85))
    image[top : top + board] = color
    letters = 240.0 if color.mean() < 130 else 30.0
    draw_lettering(rng, image[top : top + board], letters)
    panes = max(1, int(width / px(rng.uniform(1.2, 2.4))))
    edges = np.linspace(px(0.2), width - px(0.2), panes + 1).astype(int)
    door = int(rng.integers(0, panes))
    for index in range(panes):
        x0, x1 = edges[index] + 2, edges[index + 1] - 2
        y0, y1 = top + board + 4, height - (px(0.1) if index == door else px(0.55))
        if x1 - x0 > 4 and y1 - y0 > 4:
            glass = _glass(rng, (y1 - y0, x1 - x0), rng.uniform(25, 70) + np.zeros(3), 0.45, lit)
            goods = np.clip(noise(rng, glass.shape[:2], 9.0), 0, 2)[..., None] * rng.uniform(0, 50, 3)
            fade = np.linspace(0.1, 1, y1 - y0)[:, None, None]
            image[y0:y1, x0:x1] = glass + goods * fade + (60 if lit else 0)
    if rng.random() < 0.25:  # awning
        stripes = (np.arange(width) // px(0.25)) % 2 == 0
        cloth = np.where(stripes[:, None], color + 30, np.float32(rng.choice([225, 225, color[0]])))
        image[top + board : top + board + px(0.5)] = cloth
        image[top + board + px(0.5) : top + board + px(0.9)] *= 0.6


def _cornices(rng: np.random.Generator, image: np.ndarray, trim: np.ndarray, floors: int, floor_m: float) -> None:
    height, width = image.shape[:2]
    image[: px(0.15)] = trim * 0.85
    image[px(0.15) : px(0.3)] *= 0.7
    if rng.random() < 0.35:
        for floor in range(1, floors):
            y = height - px(floor * floor_m)
            image[y - 2 : y + 2] = trim
            image[y + 2 : y + 4] *= 0.8
    if rng.random() < 0.6:  # drainpipe
        image[:, 2:5] = rng.uniform(30, 90)
        image[:, 5:7] *= 0.8
    image[:, :1] *= 0.75
    image[:, width - 1 :] *= 0.75


def random_roof(rng: np.random.Generator) -> Texture:
    tones = ((95, 70, 62), (80, 82, 88), (120, 80, 62), (70, 66, 64))
    image = rough(rng, np.array(tones[rng.integers(0, 4)]) * rng.uniform(0.8, 1.2), (96, 192), 8, 6)
    image[::6] *= 0.8
    image[1::6] *= 0.92
    image[:4] *= 0.8
    return Texture(to_uint8(image))


def random_gable(rng: np.random.Generator) -> Texture:
    """Return a side wall with few windows."""
    image, trim = _wall(rng, (px(8), px(8)))
    style = _WindowStyle(rng, trim, False)
    for bottom in (px(4.2), px(7.0)):
        if rng.random() < 0.5:
            style.draw(image, int(px(8) * rng.uniform(0.3, 0.7)), bottom, px(2.2), 2.8)
    return Texture(to_uint8(image))


def draw_lettering(rng: np.random.Generator, board: np.ndarray, ink: float) -> None:
    """Draw strokes in the middle of an (H, W, 3) board that look like lettering from a distance."""
    height, width = board.shape[:2]
    tall = int(height * rng.uniform(0.35, 0.6))
    step = max(3, int(tall * 0.7))
    count = int(rng.integers(3, 11))
    x, y = max(2, (width - count * step) // 2), (height - tall) // 2
    for _ in range(count):
        if x + step >= width - 2:
            break
        grid = np.array([[0, 0], [1, 0], [0, 0.5], [1, 0.5], [0, 1], [1, 1]])
        stroke = grid[rng.permutation(6)[:4]] * (step * 0.65, tall) + (x, y)
        cv2.polylines(board, [stroke.astype(np.int32)], False, [ink] * 3, max(1, tall // 6))
        x += step
