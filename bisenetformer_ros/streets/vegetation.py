"""Trees, bushes and hedges."""

import cv2
import numpy as np

from bisenetformer_ros.streets.canvas import TREE, Canvas
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.textures import Texture, noise, pick, to_uint8

KINDS = ("round", "tall", "conifer", "bare", "bush")
_RATIOS = {"round": 0.85, "tall": 0.4, "conifer": 0.45, "bare": 0.8, "bush": 1.4}
_HEIGHTS = {"round": (5, 12), "tall": (7, 14), "conifer": (4, 12), "bare": (6, 13), "bush": (1.0, 2.6)}


class Plant:
    """A tree or bush, which looks the same from all sides."""

    def __init__(self, rng: np.random.Generator, picture: tuple[str, Texture]):
        kind, self._texture = picture
        self.height = rng.uniform(*_HEIGHTS[kind])
        self.width = self.height * _RATIOS[kind] * rng.uniform(0.85, 1.15)
        self.length = 0.4
        self._tone = rng.uniform(0.8, 1.1)

    def draw(self, canvas: Canvas, item: Item) -> None:
        foot = canvas.camera.to_camera(item.foot[None])[0]
        if foot[2] > 1.0:
            canvas.billboard(self._texture, foot, (self.width, self.height), TREE, self._tone)


class Hedge:
    """A stretch of hedge or garden wall along the road."""

    width = 0.5

    def __init__(self, rng: np.random.Generator, texture: Texture, length: float, height: float, code: int):
        self._texture = texture
        self._code = code
        self.length = length
        self.height = height * rng.uniform(0.95, 1.05)

    def draw(self, canvas: Canvas, item: Item) -> None:
        near, far, top = item.s, item.s + self.length, self.height
        inner, outer = item.u, item.u + item.side * self.width
        points = canvas.camera.to_camera(
            np.array([[inner, top, near], [inner, top, far], [inner, 0, near], [outer, top, near], [outer, top, far]])
        )
        side = canvas.light.side_brightness(item.side)
        canvas.polygon(points[[0, 1, 4, 3]], self._texture.mean_color, self._code, 1.15)
        canvas.surface(self._texture, points[0], points[3] - points[0], points[2] - points[0], self._code, 0.8)
        canvas.surface(self._texture, points[0], points[1] - points[0], points[2] - points[0], self._code, side)


def random_plant(rng: np.random.Generator, kind: str) -> tuple[str, Texture]:
    height = 256 if kind != "bush" else 128
    shape = (height, int(height * _RATIOS[kind]))
    if kind == "bare":
        return kind, _bare(rng, shape)
    outline = _crown(rng, shape, kind)
    color = _leaves(rng, shape, kind, outline)
    alpha = outline
    if kind != "bush":
        trunk = np.zeros(shape, np.uint8)
        half, middle = max(2, int(shape[1] * rng.uniform(0.02, 0.04))), shape[1] // 2
        top = int(shape[0] * 0.55)
        x = middle + half * np.array([-2, -1, 1, 2])
        cv2.fillConvexPoly(trunk, np.stack([x, [shape[0], top, top, shape[0]]], axis=1).astype(np.int32), 255)
        bark = np.array([88.0, 74.0, 60.0]) * rng.uniform(0.5, 1.1) + 10 * noise(rng, shape, 2.0, 12.0)[..., None]
        bare = (trunk > 0) & (outline < 128)
        color[bare] = bark[bare]
        alpha = np.maximum(alpha, trunk)
    return kind, Texture(to_uint8(color), alpha)


def _crown(rng: np.random.Generator, shape: tuple[int, int], kind: str) -> np.ndarray:
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x = (x / width - 0.5) * 2
    if kind == "conifer":
        down = y / height / 0.92
        inside = down * (0.9 + 0.12 * np.sin(down * 45)) - np.abs(x)
        inside = np.where(down > 1, -1, inside) * 2
    else:
        bottom = {"round": 0.78, "tall": 0.9, "bush": 1.05}[kind]
        v = (y / height - bottom / 2) / (bottom / 2)
        inside = 1 - np.sqrt(x * x * 1.15 + v * v * 1.05)
        if kind == "bush":
            inside = np.where(v > 0, 1 - np.abs(x) * 1.1, inside)
    edge = 0.16 * noise(rng, shape, width / 6) + 0.09 * noise(rng, shape, width / 16) + 0.07 * noise(rng, shape, 4.0)
    alpha = np.clip((inside * 1.3 + edge) * 900 + 127, 0, 255).astype(np.uint8)
    alpha[:, [0, -1]] = 0
    alpha[0] = 0
    return alpha


def _leaves(rng: np.random.Generator, shape: tuple[int, int], kind: str, outline: np.ndarray) -> np.ndarray:
    tones = {
        "conifer": ((45, 62, 42), (38, 55, 45)),
        "bush": ((60, 80, 45), (80, 95, 50), (50, 62, 40)),
    }.get(kind, ((75, 98, 48), (60, 85, 42), (100, 112, 55), (112, 104, 58), (70, 78, 45), (64, 80, 52), (118, 92, 56)))
    color = np.array(pick(rng, tones), np.float32) * rng.uniform(0.75, 1.15)
    width = shape[1]
    clumps = noise(rng, shape, width / 7) + 0.8 * noise(rng, shape, width / 14) + 0.9 * noise(rng, shape, 5.0)
    leaves = clumps + 0.9 * noise(rng, shape, 1.6)
    down = np.linspace(0.22, -0.3, shape[0], dtype=np.float32)[:, None]
    light = 1 + 0.2 * leaves + down
    rim = cv2.GaussianBlur(outline, (0, 0), width / 14).astype(np.float32) / 255
    light *= 1.12 - 0.3 * rim
    warm = np.array([1.05, 1.0, 0.8], np.float32)
    return color * np.clip(light, 0.25, 2)[..., None] * (1 + (warm - 1) * np.clip(leaves, 0, 2)[..., None] * 0.3)


def _bare(rng: np.random.Generator, shape: tuple[int, int]) -> Texture:
    """Draw a tree in winter. The label is the outline of the crown, as annotators draw it."""
    height, width = shape
    alpha = np.zeros(shape, np.uint8)
    stack = [(width / 2, float(height), -np.pi / 2, height * 0.27, max(3.0, width * 0.028), 0)]
    while stack:
        x, y, angle, length, thick, depth = stack.pop()
        end_x, end_y = x + length * np.cos(angle), y + length * np.sin(angle)
        ends, opacity = ((int(x), int(y)), (int(end_x), int(end_y))), 255 if depth < 5 else 200
        cv2.line(alpha, *ends, opacity, max(1, int(thick)), cv2.LINE_AA)
        if depth < 6:
            for _ in range(2 if depth < 3 or rng.random() < 0.7 else 3):
                up = 0.88 * (angle + rng.normal(0, 0.45)) - 0.12 * np.pi / 2
                stack.append((end_x, end_y, up, length * rng.uniform(0.6, 0.8), thick * 0.66, depth + 1))
    spread = cv2.GaussianBlur(cv2.dilate(alpha, np.ones((5, 5), np.uint8)), (0, 0), width / 30)
    twigs = np.clip((spread.astype(np.float32) - 45) * 9, 0, 90 + 40 * noise(rng, shape, 1.5))
    twigs[int(height * 0.75) :] = 0
    color = np.array([84.0, 74.0, 64.0]) * rng.uniform(0.55, 1.15) + 10 * noise(rng, shape, 2.0)[..., None]
    return Texture(to_uint8(color), np.maximum(alpha, np.clip(twigs, 0, 255).astype(np.uint8)), soft=True)


def random_hedge(rng: np.random.Generator) -> Texture:
    shape = (48, 192)
    color = _leaves(rng, shape, "bush", np.full(shape, 255, np.uint8))
    return Texture(to_uint8(color))
