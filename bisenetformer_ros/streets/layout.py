"""The layout of a street: cross-section, bends and camera."""

from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.streets.camera import StreetCamera
from bisenetformer_ros.streets.textures import generator

PERIOD_M = 96.0
"""Period of the ground along the road, side streets included."""

KINDS = ("town", "terrace", "houses", "park")


@dataclass(frozen=True)
class Side:
    """One side of the street: sign is -1 left, 1 right; widths in metres, from the curb outwards."""

    sign: int
    kind: str
    curb: float
    parking: float
    pavement: float
    verge: float
    setback: float

    @property
    def is_green(self) -> bool:
        """Whether lawns instead of paved yards lie behind the pavement."""
        return self.kind in ("houses", "park")

    @property
    def line(self) -> float:
        """Distance of the plots from the middle of the road."""
        return self.curb + self.pavement + self.verge

    @property
    def front(self) -> float:
        """Distance of the house fronts from the middle of the road."""
        return self.line + self.setback


@dataclass(frozen=True)
class Layout:
    """One street and the drive along it; lengths in metres, speed in m/s, angles in radians.

    `hand` is -1 for driving on the left, 1 on the right. `crowd` multiplies the number of signs and posts, and `people`
    contains it. `junctions` are the (start, end) of side streets within each PERIOD_M of the road.
    """

    seed: int
    hand: int
    lane: float
    sides: tuple[Side, Side]
    speed: float
    traffic: float
    people: float
    crowd: float
    junctions: tuple[tuple[float, float], ...]
    bend: tuple[float, float, float]
    camera_height: float
    focal_ratio: float
    horizon_ratio: float
    aim_ratio: float
    bob: float

    def camera(self, size: tuple[int, int], time_s: float) -> StreetCamera:
        height, width = size
        wobble = self.bob * (np.sin(2 * np.pi * 1.3 * time_s) + 0.6 * np.sin(2 * np.pi * 2.9 * time_s + 1.0))
        focal = self.focal_ratio * width
        return StreetCamera(
            size=size,
            focal=focal,
            center_x=(0.5 + self.aim_ratio) * width,
            center_y=self.horizon_ratio * height + focal * wobble,
            height=self.camera_height,
            lateral=self.hand * 0.5 * self.lane + 0.15 * np.sin(0.5 * time_s),
            station=self.speed * time_s,
            curvature=self.curvature(self.speed * time_s),
        )

    def curvature(self, station: float) -> float:
        amplitude, wavelength, phase = self.bend
        return float(amplitude * np.sin(2 * np.pi * station / wavelength + phase))

    def heading(self, station: float) -> float:
        """Direction of the road, positive to the right."""
        amplitude, wavelength, phase = self.bend
        return float(-amplitude * wavelength / (2 * np.pi) * np.cos(2 * np.pi * station / wavelength + phase))

    def open_stretch(self, start: float, end: float) -> tuple[float, float] | None:
        """Cut side streets off a stretch of the roadside; None if nothing is left."""
        for near, far in self.junctions:
            shift = np.floor((0.5 * (start + end) - 0.5 * (near + far)) / PERIOD_M + 0.5) * PERIOD_M
            near, far = near + shift, far + shift
            if start < far and end > near:
                if near - start >= end - far:
                    end = near
                else:
                    start = far
        return (float(start), float(end)) if end > start else None


def random_layout(seed: int, crowd: float) -> Layout:
    rng = generator(seed, 1)
    lane = rng.uniform(3.0, 3.9)
    district = int(rng.choice(4, p=(0.38, 0.27, 0.2, 0.15)))
    sides = (_random_side(rng, -1, district, lane), _random_side(rng, 1, district, lane))
    start = rng.uniform(20, 70)
    junctions = ((start, start + rng.uniform(5, 9)),) if rng.random() < 0.8 else ()
    return Layout(
        seed=seed,
        hand=-1 if rng.random() < 0.75 else 1,
        lane=lane,
        sides=sides,
        speed=rng.uniform(4.0, 11.0),
        traffic=rng.uniform(0.15, 0.75),
        people=rng.uniform(0.2, 1.0) * (1.3 if district == 0 else 0.7) * crowd,
        crowd=crowd,
        junctions=junctions,
        bend=(rng.uniform(0, 0.0025), rng.uniform(150, 320), rng.uniform(0, 2 * np.pi)),
        camera_height=rng.uniform(1.2, 1.65),
        focal_ratio=rng.uniform(0.85, 1.2),
        horizon_ratio=rng.uniform(0.4, 0.53),
        aim_ratio=rng.uniform(-0.06, 0.06),
        bob=rng.uniform(0.0005, 0.0025),
    )


def _random_side(rng: np.random.Generator, sign: int, district: int, lane: float) -> Side:
    kind = KINDS[district] if rng.random() < 0.65 else str(rng.choice(KINDS))
    parking = 2.1 if rng.random() < 0.45 else 0.0
    setback = {"town": 0.0, "terrace": rng.uniform(0, 3), "houses": rng.uniform(4, 8), "park": rng.uniform(5, 10)}[kind]
    return Side(
        sign=sign,
        kind=kind,
        curb=lane + parking + rng.uniform(0.2, 1.2),
        parking=parking,
        pavement=rng.uniform(1.8, 4.2) if kind == "town" else rng.uniform(1.5, 2.8),
        verge=rng.uniform(0.8, 2.5) if kind in ("houses", "park") and rng.random() < 0.5 else 0.0,
        setback=setback,
    )
