"""Endless rows of objects along the street, generated on demand for any stretch and time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from bisenetformer_ros.streets.items import Item, Model
from bisenetformer_ros.streets.layout import Layout
from bisenetformer_ros.streets.textures import generator

BEHIND_M = 14.0
AHEAD_M = 120.0
SLOT_BITS = 12
_FIRST_GAP_M = 9.0
"""Distance to the first slot of a row with `ahead`."""

_Placed = tuple[Model, float, float]
"""A model, its lateral position u and the position s of its near end at time 0."""


@dataclass
class Row:
    """Equidistant slots along the road, some of them filled, that move at one speed. Lengths in metres.

    Attributes:
        key: Unique within the drive.
        side: -1 left, 0 on the road, 1 right.
        u, spread: Lateral middle, and the range around it.
        spacing: Length of a slot.
        density: Fraction of filled slots.
        make: Creates the object of a slot.
        cluster: Number of adjacent slots that are filled or empty together.
        jitter: Fraction of the free space in its slot by which an object may move.
        speed: m/s along the road.
        thing: 1..15 for a row of things, 0 for stuff.
        ahead: Keep the distance to the camera.
        roadside: Leave side streets free; ignored for moving objects.
    """

    key: int
    side: int
    u: float
    spacing: float
    density: float
    make: Callable[[np.random.Generator], Model]
    spread: float = 0.0
    cluster: int = 1
    jitter: float = 0.8
    speed: float = 0.0
    thing: int = 0
    ahead: bool = False
    roadside: bool = True
    _slots: dict[int, _Placed | None] = field(default_factory=dict, repr=False)

    def items(self, layout: Layout, time_s: float) -> Iterator[Item]:
        """Yield the objects around the camera at a time since the start of the drive."""
        station, way = layout.speed * time_s, self.speed * time_s
        for slot in self._slots_near(station - way):
            placed = self._slot(layout, slot)
            if placed is None:
                continue
            model, u, start = placed
            s = start + way
            if self.ahead:
                s += _FIRST_GAP_M + 1.5 * np.sin(0.35 * time_s + slot)
            if station - BEHIND_M < s + model.length and s < station + AHEAD_M:
                yield Item(model, u, s, self._code(slot), -1 if self.speed < 0 else 1, abs(way), self.side)

    def _slots_near(self, station: float) -> range:
        last = int(np.ceil((station + AHEAD_M) / self.spacing)) + 1
        return range(0 if self.ahead else int(np.floor((station - BEHIND_M) / self.spacing)) - 1, last)

    def _code(self, slot: int) -> int:
        return (self.thing << SLOT_BITS) | (slot & ((1 << SLOT_BITS) - 1)) if self.thing else 0

    def _slot(self, layout: Layout, slot: int) -> _Placed | None:
        if slot not in self._slots:
            self._slots[slot] = self._fill(layout, slot)
        return self._slots[slot]

    def _fill(self, layout: Layout, slot: int) -> _Placed | None:
        rng = generator(layout.seed, self.key, slot, 0)
        chance = rng if self.cluster == 1 else generator(layout.seed, self.key, slot // self.cluster, 1)
        if chance.random() > self.density:
            return None
        model = self.make(rng)
        room = max(0.0, self.spacing - model.length)
        start = slot * self.spacing + self.jitter * room * rng.random()
        needed = start - 0.5, start + model.length + 0.5
        if self.roadside and self.speed == 0 and layout.open_stretch(*needed) != needed:
            return None
        return model, self.u + self.spread * rng.uniform(-1, 1), start


@dataclass
class Terrace:
    """A row of houses wall to wall, each as long as its plot: `plot` metres on average.

    key, side, u and density are those of `Row`; `make` gets the length of the plot as well.
    """

    key: int
    side: int
    u: float
    plot: float
    density: float
    make: Callable[[np.random.Generator, float], Model]
    _plots: dict[int, tuple[Model, float] | None] = field(default_factory=dict, repr=False)

    def items(self, layout: Layout, time_s: float) -> Iterator[Item]:
        """Yield the houses around the camera at a time since the start of the drive."""
        station = layout.speed * time_s
        first = int(np.floor((station - BEHIND_M) / self.plot)) - 1
        for slot in range(first, int(np.ceil((station + AHEAD_M) / self.plot)) + 1):
            if slot not in self._plots:
                self._plots[slot] = self._build(layout, slot)
            built = self._plots[slot]
            if built is not None:
                yield Item(built[0], self.u, built[1], side=self.side)

    def _build(self, layout: Layout, slot: int) -> tuple[Model, float] | None:
        rng = generator(layout.seed, self.key, slot, 0)
        if rng.random() > self.density:
            return None
        stretch = layout.open_stretch(self._border(layout, slot), self._border(layout, slot + 1))
        if stretch is None or stretch[1] - stretch[0] < 3.0:
            return None
        return self.make(rng, stretch[1] - stretch[0]), stretch[0]

    def _border(self, layout: Layout, slot: int) -> float:
        return self.plot * (slot + 0.4 * generator(layout.seed, self.key, slot, 2).uniform(-1, 1))
