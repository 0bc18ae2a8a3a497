"""Cars, vans and buses as solid bodies of flat panels."""

from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.data.synthetic.canvas import Canvas
from bisenetformer_ros.data.synthetic.items import Item

_PAINTS = (
    (190, 192, 195), (160, 164, 170), (95, 98, 104), (28, 29, 33), (45, 48, 55), (225, 226, 224),
    (150, 28, 32), (30, 50, 105), (25, 70, 60), (60, 85, 130), (120, 30, 40), (200, 180, 60), (110, 105, 90),
)  # fmt: skip
GLASS = np.array([38.0, 44.0, 50.0])
RUBBER = np.array([22.0, 22.0, 23.0])


@dataclass(frozen=True)
class Shape:
    """Metres, or shares of the length counted from the rear.

    belt: height of the lower edge of the windows. hood: height of the front end. cabin: where the rear window starts
    and ends, the windscreen's top and its base. sill: gap between body and ground.
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


class Vehicle:
    """One car: its shape, paint and lamps."""

    def __init__(self, rng: np.random.Generator, parked: bool = False):
        names = list(_SHAPES)
        kind = str(rng.choice(names[:5] if parked else names, p=np.array(_SHARES[:5]) / sum(_SHARES[:5]) if parked else _SHARES))
        shape, scale = _SHAPES[kind], rng.uniform(0.94, 1.06)
        self._shape = shape
        self.length, self.width = shape.length * scale, shape.width * rng.uniform(0.97, 1.03)
        self.height = shape.height * rng.uniform(0.97, 1.05)
        self._paint = np.array(_PAINTS[rng.integers(0, len(_PAINTS))], np.float64) * rng.uniform(0.85, 1.1)
        if kind in ("van", "truck") and rng.random() < 0.6:
            self._paint = np.full(3, rng.uniform(195, 232))
        if kind == "bus":
            self._paint = np.array([(170, 35, 35), (40, 80, 150), (210, 205, 190), (30, 100, 80)][rng.integers(0, 4)]) * 1.0
        self._glass = GLASS * rng.uniform(0.6, 1.6)
        self._dark_trim = rng.random() < 0.5
        self._brakes = rng.random() < 0.3
        self._driving = not parked

    def draw(self, canvas: Canvas, item: Item) -> None:
        body = _Body(self, canvas, item)
        body.wheels()
        body.side()
        body.top()
        body.near_end()
        body.paint()


class _Body:
    """A vehicle in place. Of a vehicle ahead only its near end, the side towards the camera and its top are seen."""

    def __init__(self, vehicle: Vehicle, canvas: Canvas, item: Item):
        self._v = vehicle
        self._canvas = canvas
        self._code = item.code
        self._outlines: list[list[tuple[float, float, float]]] = []
        self._colors: list[np.ndarray] = []
        self._brightness: list[float] = []
        self._item = item
        self._rear_near = item.heading > 0
        shape = vehicle._shape
        cabin = np.array(shape.cabin)
        if not self._rear_near:
            cabin = 1 - cabin[::-1]
        self._cabin = cabin * vehicle.length
        ends = (shape.belt, shape.hood)
        self._near_height, self._far_height = ends if self._rear_near else ends[::-1]
        self._half = vehicle.width / 2
        self._half_roof = self._half - shape.taper
        camera = canvas.camera
        self._bend = item.u - camera.lateral
        self._side = -1 if self._bend_at(item.s) > 0 else 1
        light = canvas.light
        self._lit = {"side": light.side_brightness(-self._side) * 0.82, "end": light.facing_brightness * 0.9, "top": 1.2}

    def _bend_at(self, s: float) -> float:
        camera = self._canvas.camera
        return self._item.u - camera.lateral + 0.5 * camera.curvature * (s - camera.station) ** 2

    def _points(self, rows: list[tuple[float, float, float]]) -> np.ndarray:
        """Rows of (across, up, along from the near end) -> camera coordinates."""
        return self._canvas.camera.to_camera(np.array(rows) + (self._item.u, 0.0, self._item.s))

    def _fill(self, rows: list[tuple[float, float, float]], color: np.ndarray, brightness: float) -> None:
        self._outlines.append(rows)
        self._colors.append(color)
        self._brightness.append(brightness)

    def paint(self) -> None:
        """Puts all panels on the canvas."""
        sizes = np.cumsum([len(rows) for rows in self._outlines])[:-1]
        points = self._points([point for rows in self._outlines for point in rows])
        self._canvas.panels(np.split(points, sizes), self._colors, self._brightness, self._code)

    def wheels(self) -> None:
        v, shape = self._v, self._v._shape
        radius = 0.31 if v.height < 2.5 else 0.48
        for x in (-self._half, self._half - 0.22):
            self._fill([(x, 0, 0.3), (x + 0.22, 0, 0.3), (x + 0.22, 0.5, 0.3), (x, 0.5, 0.3)], RUBBER, 1.0)
        self._fill([(-self._half * 0.85, 0.12, 0.5), (self._half * 0.85, 0.12, 0.5), (self._half * 0.85, 0.4, 0.5), (-self._half * 0.85, 0.4, 0.5)], RUBBER, 0.6)
        x = self._side * self._half
        self._fill([(x, 0.15, 0.3), (x, 0.15, v.length - 0.3), (x, shape.sill + 0.1, v.length - 0.3), (x, shape.sill + 0.1, 0.3)], RUBBER, 0.5)
        self._radius = radius

    def side(self) -> None:
        v, shape, x = self._v, self._v._shape, self._side * self._half
        c0, c1, c2, c3 = self._cabin
        low, belt, length = shape.sill, shape.belt, v.length
        bright = self._lit["side"]
        self._fill([(x, low, 0.03), (x, self._near_height, 0.0), (x, belt, c0), (x, belt, c3), (x, self._far_height, length), (x, low, length - 0.03)], v._paint, bright)
        self._fill([(x, low, 0.03), (x, low + 0.2, 0.01), (x, low + 0.2, length), (x, low, length - 0.03)], v._paint, bright * 0.62)
        y = belt - 0.12
        self._fill([(x, y - 0.05, 0.15), (x, y, 0.15), (x, y, length - 0.2), (x, y - 0.05, length - 0.2)], v._paint, bright * 1.2)
        self._cabin_side(bright)
        turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        for center in (0.19 * length, 0.81 * length):
            for radius, color in ((self._radius * 1.15, RUBBER * 0.6), (self._radius, RUBBER), (self._radius * 0.6, np.full(3, 125.0))):
                rim = [(x, self._radius + radius * np.sin(a), center + radius * np.cos(a)) for a in turn]
                self._fill([(px, max(py, 0.0), pz) for px, py, pz in rim], color, 0.9)

    def _cabin_side(self, bright: float) -> None:
        v, shape = self._v, self._v._shape
        c0, c1, c2, c3 = self._cabin
        x, top = self._side * self._half, self._side * self._half_roof
        self._fill([(x, shape.belt, c0), (top, v.height, c1), (top, v.height, c2), (x, shape.belt, c3)], v._paint, bright)
        share = lambda t: x + (top - x) * t  # noqa: E731
        low, high = 0.08, 0.85
        near, far = c0 + (c1 - c0) * 0.5 + 0.12, c3 + (c2 - c3) * 0.5 - 0.12
        if not shape.side_windows:
            edge = 0.72 * v.length if self._rear_near else 0.1 * v.length
            near, far = max(near, edge), min(far, edge + 0.2 * v.length)
        y0, y1 = (shape.belt + (v.height - shape.belt) * t for t in (low, high))
        lean0, lean1 = 0.35 * (c1 - c0), 0.35 * (c3 - c2)
        count = 6 if v.length > 8 else (1 if not shape.side_windows else 2)
        edges = np.linspace(0, 1, count + 1)
        for index in range(count):
            a0, a1 = edges[index] + 0.015, edges[index + 1] - 0.015
            bottom = (near - lean0 + (far + lean1 - near + lean0) * a0, near - lean0 + (far + lean1 - near + lean0) * a1)
            upper = (near + lean0 + (far - lean1 - near - lean0) * a0, near + lean0 + (far - lean1 - near - lean0) * a1)
            self._fill([(share(low), y0, bottom[0]), (share(high), y1, upper[0]), (share(high), y1, upper[1]), (share(low), y0, bottom[1])], v._glass, 1.0)
            middle = [(bottom[k] + upper[k]) / 2 for k in (0, 1)]
            self._fill([(share(0.46), (y0 + y1) / 2, middle[0]), (share(high), y1, upper[0]), (share(high), y1, upper[1]), (share(0.46), (y0 + y1) / 2, middle[1])], v._glass + 28, 1.0)

    def top(self) -> None:
        v, shape = self._v, self._v._shape
        c0, c1, c2, c3 = self._cabin
        w, r, belt = self._half, self._half_roof, shape.belt
        self._fill([(-w, self._near_height, 0), (w, self._near_height, 0), (w, belt, c0 + 0.01), (-w, belt, c0 + 0.01)], v._paint, self._lit["top"])
        if v.height < self._canvas.camera.height:
            roof = [(-r, v.height, c1), (r, v.height, c1), (r, v.height, c2), (-r, v.height, c2)]
            self._fill(roof, v._paint, self._lit["top"])

    def near_end(self) -> None:
        v, shape = self._v, self._v._shape
        c0, c1, _, _ = self._cabin
        w, r, high, low = self._half, self._half_roof, self._near_height, shape.sill
        end = self._lit["end"]
        glass_end = end * (1.1 if not self._rear_near else 1.0)
        self._fill([(-w, shape.belt, c0), (w, shape.belt, c0), (r, v.height, c1), (-r, v.height, c1)], v._paint, end)
        if self._rear_near and not shape.side_windows:
            self._doors(c1, end)
        else:
            self._window(c0, c1, glass_end)
        self._fill([(-w, low, 0.02), (w, low, 0.02), (w, high, 0), (-w, high, 0)], v._paint, end)
        self._fill([(-w, high - 0.06, 0), (w, high - 0.06, 0), (w, high, 0), (-w, high, 0)], v._paint, end * 1.25)
        bumper = np.full(3, 48.0) if v._dark_trim else v._paint * 0.8
        self._fill([(-w, low, 0), (w, low, 0), (w, low + 0.3, -0.04), (-w, low + 0.3, -0.04)], bumper, end)
        self._fill([(-w, low, 0), (w, low, 0), (w, low + 0.09, 0), (-w, low + 0.09, 0)], RUBBER, 1.0)
        self._lamps(high, low, end)

    def _doors(self, z: float, bright: float) -> None:
        v, shape = self._v, self._v._shape
        self._fill([(-0.02, shape.sill, z - 0.01), (0.02, shape.sill, z - 0.01), (0.02, v.height, z - 0.01), (-0.02, v.height, z - 0.01)], v._paint, bright * 0.55)

    def _window(self, c0: float, c1: float, bright: float) -> None:
        v, shape = self._v, self._v._shape
        rows = []
        for t in (0.1, 0.55, 0.9):
            half = (self._half + (self._half_roof - self._half) * t) - 0.1
            rows.append((half, shape.belt + (v.height - shape.belt) * t, c0 + (c1 - c0) * t - 0.01))
        for (half0, y0, z0), (half1, y1, z1), extra in ((rows[0], rows[1], 0.0), (rows[1], rows[2], 35.0)):
            self._fill([(-half0, y0, z0), (half0, y0, z0), (half1, y1, z1), (-half1, y1, z1)], v._glass + extra, bright)

    def _lamps(self, high: float, low: float, bright: float) -> None:
        v, w, dark = self._v, self._half, self._canvas.light.is_dark and self._v._driving
        if self._rear_near:
            lit = dark or (v._brakes and v._driving)
            color, tall = np.array([255.0, 45, 35]) if lit else np.array([150.0, 22, 24]), 0.3
        else:
            color, tall = np.array([255.0, 250, 225]) if dark else np.array([205.0, 210, 215]), 0.17
        top = high - 0.1
        for side in (-1, 1):
            x0, x1 = side * (w - 0.03), side * (w - (0.2 if self._rear_near else 0.42))
            self._fill([(x0, top - tall, -0.02), (x1, top - tall, -0.02), (x1, top, -0.02), (x0, top, -0.02)], color, 1.0 if dark else bright)
        if not self._rear_near:
            self._fill([(-w * 0.45, top - 0.16, -0.02), (w * 0.45, top - 0.16, -0.02), (w * 0.45, top, -0.02), (-w * 0.45, top, -0.02)], RUBBER * 1.6, 1.0)
        plate = np.array([215.0, 180, 50]) if self._rear_near else np.array([225.0, 225, 220])
        y = low + 0.22 if not self._rear_near else low + 0.34
        self._fill([(-0.26, y, -0.05), (0.26, y, -0.05), (0.26, y + 0.12, -0.05), (-0.26, y + 0.12, -0.05)], plate, bright)
