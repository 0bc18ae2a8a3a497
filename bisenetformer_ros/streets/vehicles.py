"""Cars, vans and buses: their shapes, paints and body panels."""

from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.streets.canvas import Canvas
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.light import Light
from bisenetformer_ros.streets.textures import pick

_PAINTS = (
    (190, 192, 195), (160, 164, 170), (95, 98, 104), (28, 29, 33), (45, 48, 55), (225, 226, 224),
    (150, 28, 32), (30, 50, 105), (25, 70, 60), (60, 85, 130), (120, 30, 40), (200, 180, 60), (110, 105, 90),
)  # fmt: skip
_LIVERIES = ((170, 35, 35), (40, 80, 150), (210, 205, 190), (30, 100, 80))
_GLASS = np.array([38.0, 44.0, 50.0])
RUBBER = np.array([22.0, 22.0, 23.0])
_HUB = np.full(3, 125.0)
_TAIL_LAMP, _TAIL_LAMP_LIT = np.array([150.0, 22.0, 24.0]), np.array([255.0, 45.0, 35.0])
_HEAD_LAMP, _HEAD_LAMP_LIT = np.array([205.0, 210.0, 215.0]), np.array([255.0, 250.0, 225.0])
_PLATE_REAR, _PLATE_FRONT = np.array([215.0, 180.0, 50.0]), np.array([225.0, 225.0, 220.0])

Outline = list[tuple[float, float, float]]


@dataclass(frozen=True)
class Shape:
    """The side view of a vehicle, in metres.

    Attributes:
        belt: Height of the lower edge of the windows.
        hood: Height of the front end.
        cabin: Base and top of the rear window, top and base of the windscreen; fractions of the length from the rear.
        sill: Gap between body and ground.
        taper: Horizontal distance of the roof's edge from the body's.
    """

    length: float
    width: float
    height: float
    belt: float
    hood: float
    cabin: tuple[float, float, float, float]
    sill: float
    taper: float
    side_windows: bool = True


_SHAPES = {
    "hatchback": Shape(3.9, 1.68, 1.45, 0.92, 0.72, (0.0, 0.1, 0.55, 0.75), 0.2, 0.17),
    "saloon": Shape(4.5, 1.75, 1.42, 0.92, 0.7, (0.14, 0.27, 0.56, 0.73), 0.19, 0.18),
    "estate": Shape(4.6, 1.74, 1.48, 0.92, 0.7, (0.0, 0.06, 0.56, 0.73), 0.19, 0.15),
    "suv": Shape(4.6, 1.85, 1.78, 1.12, 0.98, (0.0, 0.06, 0.6, 0.74), 0.28, 0.14),
    "van": Shape(5.0, 1.95, 2.25, 1.2, 1.0, (0.0, 0.01, 0.74, 0.86), 0.25, 0.08, False),
    "truck": Shape(7.0, 2.3, 3.1, 1.4, 1.25, (0.0, 0.005, 0.93, 0.985), 0.45, 0.02, False),
    "bus": Shape(9.5, 2.45, 3.1, 1.25, 1.2, (0.0, 0.005, 0.985, 0.998), 0.3, 0.04),
}
_SHARES = (0.34, 0.24, 0.12, 0.12, 0.1, 0.03, 0.05)
_NUM_PARKED = 5
"""Trucks and buses, the last shapes, do not park in the street."""


class Vehicle:
    """A random vehicle with its shape, RGB paint and lamps."""

    def __init__(self, rng: np.random.Generator, parked: bool = False):
        count = _NUM_PARKED if parked else len(_SHAPES)
        shares = np.array(_SHARES[:count])
        kind = str(rng.choice(list(_SHAPES)[:count], p=shares / shares.sum() if parked else shares))
        self.shape = _SHAPES[kind]
        self.length = self.shape.length * rng.uniform(0.94, 1.06)
        self.width = self.shape.width * rng.uniform(0.97, 1.03)
        self.height = self.shape.height * rng.uniform(0.97, 1.05)
        self.paint = np.array(pick(rng, _PAINTS), np.float64) * rng.uniform(0.85, 1.1)
        if kind in ("van", "truck") and rng.random() < 0.6:
            self.paint = np.full(3, rng.uniform(195, 232))
        if kind == "bus":
            self.paint = np.array(pick(rng, _LIVERIES), np.float64)
        self.glass = _GLASS * rng.uniform(0.6, 1.6)
        self.dark_bumper = rng.random() < 0.5
        self.brakes = rng.random() < 0.3 and not parked
        self.driving = not parked
        self._panels: dict[tuple[int, int], Panels] = {}

    def draw(self, canvas: Canvas, item: Item) -> None:
        camera = canvas.camera
        bend = 0.5 * camera.curvature * (item.s - camera.station) ** 2
        side = -1 if item.u - camera.lateral + bend > 0 else 1
        view = side, item.heading
        if view not in self._panels:
            self._panels[view] = Bodywork(self, side, item.heading > 0, canvas.light, camera.height).panels()
        panels = self._panels[view]
        points = camera.to_camera(panels.points + np.array([item.u, 0.0, item.s]))
        canvas.panels(points, panels.sizes, panels.colors, panels.brightness, item.code)


@dataclass(frozen=True)
class Panels:
    """Convex polygons in painting order.

    Attributes:
        points: (N, 3) corners in metres: across, up, along from the near end.
        sizes: Number of corners of each of the M polygons.
        colors: (M, 3) RGB.
        brightness: (M,).
    """

    points: np.ndarray
    sizes: list[int]
    colors: np.ndarray
    brightness: np.ndarray


def _upright(left: float, right: float, low: float, high: float, along: float) -> Outline:
    """Return a rectangle that faces the camera."""
    return [(left, low, along), (right, low, along), (right, high, along), (left, high, along)]


class Bodywork:
    """Builds the visible panels of a vehicle: the near end, the side towards the camera and the top.

    Args:
        vehicle: The vehicle.
        side: Side that faces the camera, -1 left, 1 right.
        rear_near: Seen from behind instead of from the front.
        light: The light of the drive.
        camera_height: In metres.
    """

    def __init__(self, vehicle: Vehicle, side: int, rear_near: bool, light: Light, camera_height: float):
        self._v = vehicle
        self._rear_near = rear_near
        shape = vehicle.shape
        cabin = np.array(shape.cabin)
        self._cabin = (cabin if rear_near else 1 - cabin[::-1]) * vehicle.length
        ends = (shape.belt, shape.hood)
        self._near_height, self._far_height = ends if rear_near else ends[::-1]
        self._half = vehicle.width / 2
        self._half_roof = self._half - shape.taper
        self._x = side * self._half
        self._x_roof = side * self._half_roof
        self._side_light = light.side_brightness(-side) * 0.82
        self._end_light = light.facing_brightness * 0.9
        self._top_light = 1.2
        self._is_dark = light.is_dark
        self._roof_seen = vehicle.height < camera_height
        self._outlines: list[Outline] = []
        self._colors: list[np.ndarray] = []
        self._brightness: list[float] = []

    def panels(self) -> Panels:
        self._underside()
        self._flank()
        self._side_windows()
        self._wheels()
        self._top()
        self._near_end()
        self._lamps()
        points = np.array([point for outline in self._outlines for point in outline])
        sizes = [len(outline) for outline in self._outlines]
        return Panels(points, sizes, np.array(self._colors), np.array(self._brightness))

    def _fill(self, outline: Outline, color: np.ndarray, brightness: float) -> None:
        self._outlines.append(outline)
        self._colors.append(color)
        self._brightness.append(brightness)

    def _on_side(self, low: float, high: float, near: float, far: float) -> Outline:
        return [(self._x, low, near), (self._x, low, far), (self._x, high, far), (self._x, high, near)]

    def _underside(self) -> None:
        half = self._half
        self._fill(_upright(-half, -half + 0.22, 0, 0.5, 0.3), RUBBER, 1.0)
        self._fill(_upright(half - 0.22, half, 0, 0.5, 0.3), RUBBER, 1.0)
        self._fill(_upright(-half * 0.85, half * 0.85, 0.12, 0.4, 0.5), RUBBER, 0.6)
        self._fill(self._on_side(0.15, self._v.shape.sill + 0.1, 0.3, self._v.length - 0.3), RUBBER, 0.5)

    def _flank(self) -> None:
        v, x = self._v, self._x
        c0, c1, c2, c3 = self._cabin
        low, belt, length = v.shape.sill, v.shape.belt, v.length
        lit = self._side_light
        body = [(x, low, 0.03), (x, self._near_height, 0.0), (x, belt, c0), (x, belt, c3)]
        self._fill([*body, (x, self._far_height, length), (x, low, length - 0.03)], v.paint, lit)
        skirt = [(x, low, 0.03), (x, low + 0.2, 0.01), (x, low + 0.2, length), (x, low, length - 0.03)]
        self._fill(skirt, v.paint, lit * 0.62)
        self._fill(self._on_side(belt - 0.17, belt - 0.12, 0.15, length - 0.2), v.paint, lit * 1.2)
        cabin = [(x, belt, c0), (self._x_roof, v.height, c1), (self._x_roof, v.height, c2), (x, belt, c3)]
        self._fill(cabin, v.paint, lit)

    def _side_windows(self) -> None:
        v, shape = self._v, self._v.shape
        c0, c1, c2, c3 = self._cabin
        near, far = c0 + (c1 - c0) * 0.5 + 0.12, c3 + (c2 - c3) * 0.5 - 0.12
        if not shape.side_windows:
            edge = 0.72 * v.length if self._rear_near else 0.1 * v.length
            near, far = max(near, edge), min(far, edge + 0.2 * v.length)
        lean_near, lean_far = 0.35 * (c1 - c0), 0.35 * (c3 - c2)
        start, span = near - lean_near, far + lean_far - near + lean_near
        start_up, span_up = near + lean_near, far - lean_far - near - lean_near
        count = 6 if v.length > 8 else 2 if shape.side_windows else 1
        for index in range(count):
            a, b = index / count + 0.015, (index + 1) / count - 0.015
            bottom, top = (start + span * a, start + span * b), (start_up + span_up * a, start_up + span_up * b)
            self._pane(0.08, bottom, top, v.glass)
            middle = (bottom[0] + top[0]) / 2, (bottom[1] + top[1]) / 2
            self._pane(0.465, middle, top, v.glass + 28)  # the sky in the upper half

    def _pane(
        self, low: float, bottom: tuple[float, float], top: tuple[float, float], color: np.ndarray, high: float = 0.85
    ) -> None:
        """Fill a pane between fractions of the way from belt to roof, with near and far ends of its edges."""
        belt, rise = self._v.shape.belt, self._v.height - self._v.shape.belt
        x_low, x_high = (self._x + (self._x_roof - self._x) * share for share in (low, high))
        y_low, y_high = belt + rise * low, belt + rise * high
        lower = [(x_low, y_low, bottom[0]), (x_high, y_high, top[0])]
        self._fill([*lower, (x_high, y_high, top[1]), (x_low, y_low, bottom[1])], color, 1.0)

    def _wheels(self) -> None:
        radius = 0.31 if self._v.height < 2.5 else 0.48
        turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        for center in (0.19 * self._v.length, 0.81 * self._v.length):
            for rim, color in ((radius * 1.15, RUBBER * 0.6), (radius, RUBBER), (radius * 0.6, _HUB)):
                up, along = np.maximum(radius + rim * np.sin(turn), 0), center + rim * np.cos(turn)
                self._fill([(self._x, *point) for point in zip(up.tolist(), along.tolist(), strict=True)], color, 0.9)

    def _top(self) -> None:
        v, w, r = self._v, self._half, self._half_roof
        c0, c1, c2, _ = self._cabin
        near, belt = self._near_height, v.shape.belt
        deck = [(-w, near, 0.0), (w, near, 0.0), (w, belt, c0 + 0.01), (-w, belt, c0 + 0.01)]
        self._fill(deck, v.paint, self._top_light)
        if self._roof_seen:
            roof = [(-r, v.height, c1), (r, v.height, c1), (r, v.height, c2), (-r, v.height, c2)]
            self._fill(roof, v.paint, self._top_light)

    def _near_end(self) -> None:
        v, w, r, lit = self._v, self._half, self._half_roof, self._end_light
        c0, c1, low, high = self._cabin[0], self._cabin[1], v.shape.sill, self._near_height
        pillars = [(-w, v.shape.belt, c0), (w, v.shape.belt, c0), (r, v.height, c1), (-r, v.height, c1)]
        self._fill(pillars, v.paint, lit)
        if self._rear_near and not v.shape.side_windows:  # the gap between the doors of a van
            self._fill(_upright(-0.02, 0.02, low, v.height, c1 - 0.01), v.paint, lit * 0.55)
        else:
            self._end_window(c0, c1)
        self._fill([(-w, low, 0.02), (w, low, 0.02), (w, high, 0.0), (-w, high, 0.0)], v.paint, lit)
        self._fill(_upright(-w, w, high - 0.06, high, 0.0), v.paint, lit * 1.25)
        bumper = [(-w, low, 0.0), (w, low, 0.0), (w, low + 0.3, -0.04), (-w, low + 0.3, -0.04)]
        self._fill(bumper, np.full(3, 48.0) if v.dark_bumper else v.paint * 0.8, lit)
        self._fill(_upright(-w, w, low, low + 0.09, 0.0), RUBBER, 1.0)

    def _end_window(self, c0: float, c1: float) -> None:
        v = self._v
        lit = self._end_light * (1.0 if self._rear_near else 1.1)
        rows = []
        for share in (0.1, 0.55, 0.9):
            half = self._half + (self._half_roof - self._half) * share - 0.1
            rows.append((half, v.shape.belt + (v.height - v.shape.belt) * share, c0 + (c1 - c0) * share - 0.01))
        for (half0, y0, z0), (half1, y1, z1), sky in ((rows[0], rows[1], 0.0), (rows[1], rows[2], 35.0)):
            self._fill([(-half0, y0, z0), (half0, y0, z0), (half1, y1, z1), (-half1, y1, z1)], v.glass + sky, lit)

    def _lamps(self) -> None:
        v, w, top, lit = self._v, self._half, self._near_height - 0.1, self._end_light
        dark = self._is_dark and v.driving
        if self._rear_near:
            color, tall, wide = _TAIL_LAMP_LIT if dark or v.brakes else _TAIL_LAMP, 0.3, 0.2
            plate, plate_low = _PLATE_REAR, v.shape.sill + 0.34
        else:
            color, tall, wide = _HEAD_LAMP_LIT if dark else _HEAD_LAMP, 0.17, 0.42
            plate, plate_low = _PLATE_FRONT, v.shape.sill + 0.22
        for side in (-1, 1):
            outer, inner = side * (w - 0.03), side * (w - wide)
            self._fill(_upright(outer, inner, top - tall, top, -0.02), color, 1.0 if dark else lit)
        if not self._rear_near:  # the grille
            self._fill(_upright(-w * 0.45, w * 0.45, top - 0.16, top, -0.02), RUBBER * 1.6, 1.0)
        self._fill(_upright(-0.26, 0.26, plate_low, plate_low + 0.12, -0.05), plate, lit)
