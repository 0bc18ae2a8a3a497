"""Walkers and cyclists, drawn once per phase of the stride."""

import cv2
import numpy as np

from bisenetformer_ros.streets.canvas import Canvas
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.textures import Texture, noise, pick, to_uint8

PHASES = 8
STRIDE_M = 1.4
SCALE = 110
"""Texels per metre."""

_CLOTHES = (
    (35, 38, 48), (28, 28, 30), (60, 62, 70), (70, 85, 120), (120, 35, 40), (150, 140, 120), (45, 70, 60),
    (190, 190, 185), (95, 75, 60), (45, 55, 95), (170, 60, 40), (200, 170, 60),
)  # fmt: skip
_SKINS = ((225, 180, 155), (205, 155, 125), (150, 105, 80), (95, 65, 50))
_HAIRS = ((35, 28, 24), (80, 55, 35), (150, 120, 75), (120, 118, 115))


class Look:
    """Clothes and build of one person."""

    def __init__(self, rng: np.random.Generator):
        self.coat, self.trousers = (np.array(pick(rng, _CLOTHES)) * rng.uniform(0.8, 1.2) for _ in "ab")
        self.skin = np.array(pick(rng, _SKINS), np.float64)
        self.hair = np.array(pick(rng, _HAIRS), np.float64)
        self.girth = rng.uniform(0.85, 1.2)
        self.coat_length = rng.uniform(0.62, 1.0)
        self.bag = rng.random() < 0.35
        self.helmet = np.array([(230, 230, 230), (40, 40, 45), (190, 40, 40)][rng.integers(0, 3)], np.float64)
        self.bright_vest = rng.random() < 0.3
        self.seed = int(rng.integers(0, 2**31))


class _Sketch:
    """A small picture in metres, y up from the ground, x right from the middle."""

    def __init__(self, width: float, height: float):
        self._shape = (int(height * SCALE), int(width * SCALE))
        self.image = np.zeros((*self._shape, 3), np.float32)
        self.alpha = np.zeros(self._shape, np.uint8)

    def _at(self, x: float, y: float) -> tuple[int, int]:
        return round(self._shape[1] / 2 + x * SCALE), round(self._shape[0] - y * SCALE)

    def limb(self, points: list[tuple[float, float]], thick: float, color: np.ndarray) -> None:
        path = np.array([self._at(*point) for point in points], np.int32)
        for picture, value in ((self.image, color.tolist()), (self.alpha, 255)):
            cv2.polylines(picture, [path], False, value, max(1, int(thick * SCALE)))

    def shape(self, points: list[tuple[float, float]], color: np.ndarray) -> None:
        path = np.array([self._at(*point) for point in points], np.int32)
        cv2.fillPoly(self.image, [path], color.tolist())
        cv2.fillPoly(self.alpha, [path], 255)

    def disk(self, x: float, y: float, rx: float, ry: float, color: np.ndarray, thick: int = -1) -> None:
        axes = (max(1, int(rx * SCALE)), max(1, int(ry * SCALE)))
        cv2.ellipse(self.image, self._at(x, y), axes, 0, 0, 360, color.tolist(), thick)
        cv2.ellipse(self.alpha, self._at(x, y), axes, 0, 0, 360, 255, thick)

    def texture(self, seed: int) -> Texture:
        rng = np.random.Generator(np.random.PCG64(seed))
        across = np.linspace(1.15, 0.8, self._shape[1], dtype=np.float32)[None, :, None]
        folds = 1 + 0.07 * noise(rng, self._shape, 8.0, 16.0)[..., None]
        return Texture(to_uint8(self.image * across * folds), self.alpha)


def walker(look: Look, phase: float, from_behind: bool) -> Texture:
    """Draw a walker at a phase of the stride, 0..1."""
    sketch, swing, girth = _Sketch(1.0, 1.85), np.sin(2 * np.pi * phase), look.girth
    lift = abs(np.cos(2 * np.pi * phase)) * 0.02
    for side in (-1, 1):
        step = side * swing
        hip, foot = (0.09 * side * girth, 0.9 + lift), (0.09 * side + 0.15 * step, 0.06 + max(0.0, -step) * 0.1)
        knee = ((hip[0] + foot[0]) / 2 + 0.03 * step, 0.48 + max(0.0, -step) * 0.05)
        sketch.limb([hip, knee, foot], 0.15 * girth, look.trousers * (0.8 if side * swing < 0 else 1.0))
        sketch.limb([foot, (foot[0] + 0.05, 0.04)], 0.09, np.array([30.0, 28, 28]))
    hem = 1.4 - 0.6 * look.coat_length
    for side in (-1, 1):
        hand = (side * 0.27 * girth - 0.12 * side * swing, 0.82)
        sketch.limb([(side * 0.21 * girth, 1.38 + lift), (side * 0.29 * girth, 1.1), hand], 0.1, look.coat * 0.82)
        sketch.disk(*hand, 0.05, 0.06, look.skin)
    waist = 0.19 * girth
    half = [(waist, hem), (0.23 * girth, 1.4 + lift), (0.08, 1.52 + lift)]
    sketch.shape([(-x, y) for x, y in half] + half[::-1], look.coat)
    if look.bag:
        backpack = [(-0.15, 1.0), (-0.15, 1.4), (0.15, 1.4), (0.15, 1.0)]
        handbag = [(0.1, 1.0), (0.12, 1.35), (0.3, 1.33), (0.32, 0.98)]
        sketch.shape(backpack if from_behind else handbag, look.trousers * 0.6 + 20)
    sketch.disk(0, 1.55 + lift, 0.05, 0.08, look.skin * 0.8)
    sketch.disk(0, 1.68 + lift, 0.1, 0.13, look.hair if from_behind else look.skin)
    sketch.disk(0, 1.75 + lift, 0.105, 0.08, look.hair)
    return sketch.texture(look.seed)


def cyclist(look: Look, phase: float, from_behind: bool) -> Texture:
    """Draw a cyclist at a phase of the pedals, 0..1."""
    sketch, turn = _Sketch(0.9, 1.9), 2 * np.pi * phase
    dark = np.array([28.0, 28, 30])
    sketch.disk(0, 0.34, 0.035, 0.34, dark)
    sketch.limb([(0, 0.34), (0, 1.0)], 0.05, np.array([70.0, 72, 80]))
    for side in (-1, 1):
        pedal = 0.3 + 0.17 * np.sin(turn) * side
        knee = (side * 0.17, 0.62 + 0.12 * np.sin(turn) * side)
        sketch.limb([(side * 0.1, 1.0), knee, (side * 0.12, pedal)], 0.14, look.trousers * (0.85 if side > 0 else 1))
        sketch.limb([(side * 0.12, pedal), (side * 0.13, pedal - 0.05)], 0.1, dark)
    sketch.limb([(-0.28, 1.02), (0.28, 1.02)], 0.04, dark)
    vest = np.array([205.0, 225, 60]) if look.bright_vest else look.coat
    for side in (-1, 1):
        sketch.limb([(side * 0.2, 1.4), (side * 0.3, 1.2), (side * 0.26, 1.03)], 0.1, vest * 0.8)
    sketch.shape([(-0.16, 0.95), (-0.23, 1.38), (-0.1, 1.5), (0.1, 1.5), (0.23, 1.38), (0.16, 0.95)], vest)
    if not from_behind:
        sketch.disk(0, 1.1, 0.05, 0.04, np.array([235.0, 235, 220]))
    elif look.bag:
        sketch.shape([(-0.15, 1.05), (-0.16, 1.4), (0.16, 1.4), (0.15, 1.05)], look.trousers * 0.5 + 25)
    sketch.disk(0, 1.6, 0.095, 0.13, look.hair if from_behind else look.skin)
    sketch.disk(0, 1.68, 0.12, 0.085, look.helmet if look.bright_vest or look.bag else look.hair)
    return sketch.texture(look.seed)


class Person:
    """A walker or cyclist; textures are drawn on first use."""

    length = 0.4

    def __init__(self, rng: np.random.Generator, wardrobe: "Wardrobe", rides: bool):
        self._wardrobe = wardrobe
        self._who = int(rng.integers(0, Wardrobe.SIZE))
        self._rides = rides
        scale = rng.uniform(0.9, 1.06) if rng.random() < 0.9 else rng.uniform(0.6, 0.8)
        self.height = (1.9 if rides else 1.85) * scale
        self.width = (0.9 if rides else 1.0) * scale
        self._start = rng.random()

    def draw(self, canvas: Canvas, item: Item) -> None:
        foot = canvas.camera.to_camera(item.foot[None])[0]
        if foot[2] < 1.0:
            return
        stride = 4.5 if self._rides else STRIDE_M
        phase = int((item.way / stride + self._start) * PHASES) % PHASES
        picture = self._wardrobe.picture(self._who, phase, self._rides, item.heading > 0)
        canvas.billboard(picture, foot, (self.width, self.height), item.code, canvas.light.facing_brightness)


class Wardrobe:
    """The people of one drive."""

    SIZE = 8

    def __init__(self, rng: np.random.Generator):
        self._looks = [Look(rng) for _ in range(self.SIZE)]
        self._pictures: dict[tuple[int, int, bool, bool], Texture] = {}

    def picture(self, who: int, phase: int, rides: bool, from_behind: bool) -> Texture:
        key = (who, phase, rides, from_behind)
        if key not in self._pictures:
            draw = cyclist if rides else walker
            self._pictures[key] = draw(self._looks[who], phase / PHASES, from_behind)
        return self._pictures[key]
