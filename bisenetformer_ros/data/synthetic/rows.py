"""Endless rows of things along the street, of which any stretch can be looked up at any time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from bisenetformer_ros.data.synthetic.items import Item, Model
from bisenetformer_ros.data.synthetic.layout import Layout
from bisenetformer_ros.data.synthetic.textures import generator

BEHIND_M = 14.0
AHEAD_M = 120.0
SLOT_BITS = 12


@dataclass
class Row:
    """Slots at equal distances along the road, some of them filled, that all move at one speed.

    key: tells the rows of a drive apart. u, spread: lateral middle and the range around it, metres. spacing: metres
    per slot. density: share of the slots that are filled. cluster: slots that are filled or empty together.
    speed: m/s along the road. thing: 1..15 if these are things, 0 for stuff. ahead: moves with the camera, and only
    slots in front of it exist. roadside: never stands in a side street.
    """

    key: int
    side: int
    u: float
    spacing: float
    density: float
    make: Callable[[np.random.Generator], Model]
    spread: float = 0.0
    cluster: int = 1
    speed: float = 0.0
    thing: int = 0
    jitter: float = 0.8
    ahead: bool = False
    roadside: bool = True
    _slots: dict[int, tuple[Model, float, float] | None] = field(default_factory=dict, repr=False)

    def items(self, layout: Layout, time_s: float) -> Iterator[Item]:
        station = layout.speed * time_s
        way = self.speed * time_s
        first = int(np.floor((station - BEHIND_M - way) / self.spacing)) - 1
        last = int(np.ceil((station + AHEAD_M - way) / self.spacing)) + 1
        if self.ahead:
            first = 0
        for slot in range(first, last):
            content = self._slot(layout, slot)
            if content is None:
                continue
            model, u, start = content
            s = start + way
            if self.ahead:
                s += 9.0 + 1.5 * np.sin(0.35 * time_s + slot)
            if station - BEHIND_M < s + model.length and s < station + AHEAD_M:
                code = (self.thing << SLOT_BITS) | (slot & ((1 << SLOT_BITS) - 1)) if self.thing else 0
                yield Item(model, u, s, code, -1 if self.speed < 0 else 1, abs(way), self.side)

    def _slot(self, layout: Layout, slot: int) -> tuple[Model, float, float] | None:
        if slot not in self._slots:
            self._slots[slot] = self._fill(layout, slot)
        return self._slots[slot]

    def _fill(self, layout: Layout, slot: int) -> tuple[Model, float, float] | None:
        if self.cluster > 1:
            group = generator(layout.seed, self.key, slot // self.cluster, 1)
            if group.random() > self.density:
                return None
        rng = generator(layout.seed, self.key, slot, 0)
        if self.cluster == 1 and rng.random() > self.density:
            return None
        model = self.make(rng)
        room = max(0.0, self.spacing - model.length)
        start = slot * self.spacing + self.jitter * room * rng.random()
        if self.roadside and layout.open_stretch(start - 0.5, start + model.length + 0.5) != (
            start - 0.5,
            start + model.length + 0.5,
        ):
            return None
        return model, self.u + self.spread * rng.uniform(-1, 1), start


@dataclass
class Terrace:
    """A row of buildings wall to wall, each as long as its plot. make gets the length of the plot."""

    key: int
    side: int
    u: float
    plot: float
    density: float
    make: Callable[[np.random.Generator, float], Model]
    _plots: dict[int, tuple[Model, float] | None] = field(default_factory=dict, repr=False)

    def items(self, layout: Layout, time_s: float) -> Iterator[Item]:
        station = layout.speed * time_s
        first = int(np.floor((station - BEHIND_M) / self.plot)) - 1
        for slot in range(first, int(np.ceil((station + AHEAD_M) / self.plot)) + 1):
            if slot not in self._plots:
                self._plots[slot] = self._build(layout, slot)
            content = self._plots[slot]
            if content is not None and content[1] + content[0].length > station:
                yield Item(content[0], self.u, content[1], 0, 1, 0.0, self.side)

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
