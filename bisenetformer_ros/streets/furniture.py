"""Lamp posts, bollards, signs, traffic lights and railings."""

import cv2
import numpy as np

from bisenetformer_ros.streets.canvas import FENCE, POLE, SIGN_SYMBOL, Canvas
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.textures import Texture, noise, to_uint8

UP = np.array([0.0, -1.0, 0.0])
RIGHT = np.array([1.0, 0.0, 0.0])


def draw_post(canvas: Canvas, foot: np.ndarray, height: float, radius: float, color: np.ndarray) -> None:
    """Draw a round post as three upright stripes, at least about one pixel wide in total."""
    radius = max(radius, 0.4 * foot[2] / canvas.camera.focal)
    stripes: tuple[tuple[float, float, float], ...] = ((-1.0, -0.3, 0.85), (-0.3, 0.4, 1.15), (0.4, 1.0, 0.65))
    if radius * canvas.camera.focal < 1.2 * foot[2]:
        stripes = ((-1.0, 1.0, 0.9),)
    corners = []
    for left, right, _ in stripes:
        corners += [(left, 0, 0), (right, 0, 0), (0.8 * right, -height, 0), (0.8 * left, -height, 0)]
    points = foot + np.array(corners) * (radius, 1, 1)
    brightness = np.array([brightness for *_, brightness in stripes])
    canvas.panels(points, [4] * len(stripes), color[None], brightness, POLE)


class LampPost:
    """A street lamp whose arm reaches over the road."""

    length = 0.2

    def __init__(self, rng: np.random.Generator, color: np.ndarray, height: float):
        self.height = height * rng.uniform(0.97, 1.03)
        self.width = 0.24
        self._color = color
        self._arm = rng.uniform(0.8, 1.6)

    def draw(self, canvas: Canvas, item: Item) -> None:
        foot = canvas.camera.to_camera(item.foot[None])[0]
        draw_post(canvas, foot, 1.2, 0.09, self._color)
        draw_post(canvas, foot, self.height, 0.055, self._color)
        top, reach = foot + UP * self.height, -item.side * self._arm * RIGHT
        thick = max(0.05, 0.5 * foot[2] / canvas.camera.focal) * UP
        canvas.polygon(
            np.stack([top, top + reach + 0.3 * UP, top + reach + 0.3 * UP + thick, top + thick]), self._color, POLE
        )
        tip = top + reach + 0.3 * UP
        lamp = np.stack([tip - 0.3 * reach / self._arm, tip + 0.3 * reach / self._arm])
        glow = np.array([255.0, 225.0, 160.0]) if canvas.light.is_dark else self._color * 1.1
        canvas.polygon(np.concatenate([lamp, lamp[::-1] + 2.5 * thick]), glow, POLE)


class Post:
    """A bollard or a plain mast."""

    length = 0.2

    def __init__(self, color: np.ndarray, height: float, radius: float):
        self.height = height
        self.width = 2 * radius
        self._color = color

    def draw(self, canvas: Canvas, item: Item) -> None:
        foot = canvas.camera.to_camera(item.foot[None])[0]
        draw_post(canvas, foot, self.height, self.width / 2, self._color)
        if self.height < 1.5:
            low, high, aside = foot + UP * 0.78 * self.height, foot + UP * 0.86 * self.height, RIGHT * (self.width / 2)
            band = np.stack([low - aside, low + aside, high + aside, high - aside])
            canvas.polygon(band, np.array([215.0, 205.0, 190.0]), POLE)


class Sign:
    """A board on a post: a traffic sign, a direction board or a traffic light."""

    length = 0.2

    def __init__(self, rng: np.random.Generator, picture: Texture, size_m: tuple[float, float], height: float):
        self._picture = picture
        self._size = size_m
        self.width = size_m[0]
        self.height = height
        self._post = np.full(3, rng.uniform(60, 160))

    def draw(self, canvas: Canvas, item: Item) -> None:
        foot = canvas.camera.to_camera(item.foot[None])[0]
        if foot[2] < 1.0:
            return
        draw_post(canvas, foot, self.height - 0.5 * self._size[1], 0.045, self._post)
        board = foot + UP * (self.height - self._size[1])
        canvas.billboard(self._picture, board, self._size, SIGN_SYMBOL, canvas.light.facing_brightness)


class Fence:
    """A panel of railing along the road. The label covers the gaps as well, as annotators draw it."""

    width = 0.1

    def __init__(self, texture: Texture, length: float, height: float):
        self._texture = texture
        self.length = length
        self.height = height

    def draw(self, canvas: Canvas, item: Item) -> None:
        corners = [
            [item.u, y, s] for y, s in ((self.height, item.s), (self.height, item.s + self.length), (0.05, item.s))
        ]
        top, far, bottom = canvas.camera.to_camera(np.array(corners))
        brightness = canvas.light.side_brightness(item.side)
        canvas.surface(self._texture, top, far - top, bottom - top, FENCE, brightness)


def random_fence(rng: np.random.Generator) -> Texture:
    shape = (96, 256)
    color = np.array([[35, 38, 40], [120, 125, 128], [30, 60, 45], [200, 198, 190], [105, 80, 58]][rng.integers(0, 5)])
    if rng.random() < 0.25:  # boards
        image = color + 8 * noise(rng, shape, 3.0, 30.0)[..., None]
        image[:, ::16] *= 0.5
        return Texture(to_uint8(image))
    alpha = np.full(shape, 85, np.uint8)
    step, bar = int(rng.integers(7, 16)), int(rng.integers(2, 5))
    for offset in range(bar):
        alpha[:, offset::step] = 255
    for row in (2, 80):
        alpha[row : row + 5] = 255
    alpha[:, :6] = 255
    image = color * (1 + 0.1 * noise(rng, shape, 3.0)[..., None])
    return Texture(to_uint8(image), alpha, soft=True)


def random_board(rng: np.random.Generator) -> tuple[Texture, tuple[float, float], float]:
    """Return the picture of a sign, its (width, height) and the height of its top in metres."""
    kind = rng.choice(["round", "triangle", "board", "light", "panel"], p=(0.25, 0.2, 0.2, 0.2, 0.15))
    if kind == "light":
        return _traffic_light(rng), (0.42, 1.05), rng.uniform(2.9, 3.4)
    shape = (96, 96) if kind in ("round", "triangle") else (128, 96)
    image, alpha = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    if kind == "round":
        rim, field = [((200, 30, 35), (240, 240, 235)), ((30, 70, 160), (30, 70, 160))][rng.integers(0, 2)]
        cv2.circle(alpha, (48, 48), 46, 255, -1)
        image[:] = rim
        cv2.circle(image, (48, 48), 34, field, -1)
        ink = (20, 20, 20) if sum(field) > 400 else (240, 240, 240)
        cv2.line(image, (36, 36), (36, 62), ink, 7)
        cv2.circle(image, (58, 49), 12, ink, 6)
        return Texture(image, alpha), (0.75, 0.75), rng.uniform(2.3, 3.0)
    if kind == "triangle":
        outer = np.array([[48, 4], [94, 90], [2, 90]], np.int32)
        cv2.fillConvexPoly(alpha, outer, 255)
        image[:] = (200, 30, 35)
        cv2.fillConvexPoly(image, np.array([[48, 26], [76, 80], [20, 80]], np.int32), (240, 240, 235))
        cv2.line(image, (48, 44), (48, 74), (20, 20, 20), 7)
        return Texture(image, alpha), (0.85, 0.78), rng.uniform(2.3, 3.0)
    alpha[:] = 255
    field = [(30, 75, 165), (20, 100, 60), (235, 235, 230), (230, 190, 40), (180, 40, 45)][rng.integers(0, 5)]
    image[:] = field
    ink = (20, 20, 20) if sum(field) > 400 else (240, 240, 240)
    cv2.rectangle(image, (3, 3), (92, 124), ink, 2)
    for row in range(22, 120, int(rng.integers(18, 30))):
        cv2.line(image, (14, row), (int(rng.integers(40, 84)), row), ink, int(rng.integers(3, 8)))
    size = (0.6, 0.8) if kind == "board" else (1.4, 1.9)
    return Texture(image, alpha), size, rng.uniform(2.2, 2.8) if kind == "board" else rng.uniform(2.1, 3.4)


def _traffic_light(rng: np.random.Generator) -> Texture:
    image = np.full((128, 52, 3), 18, np.uint8)
    alpha = np.full((128, 52), 255, np.uint8)
    state = int(rng.choice([0, 1, 2], p=(0.45, 0.1, 0.45)))
    for index, color in enumerate(((255, 50, 40), (255, 175, 40), (60, 250, 150))):
        lit = color if index == state else tuple(part // 6 + 15 for part in color)
        cv2.circle(image, (26, 24 + 40 * index), 14, lit, -1, cv2.LINE_AA)
    cv2.rectangle(image, (0, 0), (51, 127), (60, 60, 60), 2)
    return Texture(image, alpha)
