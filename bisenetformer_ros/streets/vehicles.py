"""Cars, vans and buses: their shapes and paints."""

from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.streets.bodywork import Bodywork, Panels
from bisenetformer_ros.streets.canvas import Canvas
from bisenetformer_ros.streets.items import Item

_PAINTS = (
    (190, 192, 195), (160, 164, 170), (95, 98, 104), (28, 29, 33), (45, 48, 55), (225, 226, 224),
    (150, 28, 32), (30, 50, 105), (25, 70, 60), (60, 85, 130), (120, 30, 40), (200, 180, 60), (110, 105, 90),
)  # fmt: skip
_LIVERIES = ((170, 35, 35), (40, 80, 150), (210, 205, 190), (30, 100, 80))
_GLASS = np.array([38.0, 44.0, 50.0])


@dataclass(frozen=True)
class Shape:
    """Metres, or shares of the length counted from the rear.

    belt: height of the lower edge of the windows. hood: height of the front end. cabin: where the rear window starts
    and ends, the windscreen's top and its base. sill: gap between body and ground. taper: how far the roof's edge is
    inside of the body's.
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
"""Trucks and buses, the last of the shapes, do not park in the street."""


class Vehicle:
    """One car: its shape, its paint (RGB) and its lamps."""

    def __init__(self, rng: np.random.Generator, parked: bool = False):
        count = _NUM_PARKED if parked else len(_SHAPES)
        shares = np.array(_SHARES[:count])
        kind = str(rng.choice(list(_SHAPES)[:count], p=shares / shares.sum() if parked else shares))
        self.shape = _SHAPES[kind]
        self.length = self.shape.length * rng.uniform(0.94, 1.06)
        self.width = self.shape.width * rng.uniform(0.97, 1.03)
        self.height = self.shape.height * rng.uniform(0.97, 1.05)
        self.paint = np.array(_PAINTS[rng.integers(0, len(_PAINTS))], np.float64) * rng.uniform(0.85, 1.1)
        if kind in ("van", "truck") and rng.random() < 0.6:
            self.paint = np.full(3, rng.uniform(195, 232))
        if kind == "bus":
            self.paint = np.array(_LIVERIES[rng.integers(0, len(_LIVERIES))], np.float64)
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
