"""All objects in the street of one drive."""

from collections.abc import Callable

import numpy as np

from bisenetformer_ros.streets.buildings import Building, random_facade, random_gable, random_roof
from bisenetformer_ros.streets.canvas import BICYCLIST, BUILDING, CAR, PEDESTRIAN, TREE
from bisenetformer_ros.streets.furniture import Fence, LampPost, Post, Sign, random_board, random_fence
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.layout import Layout, Side
from bisenetformer_ros.streets.light import Light
from bisenetformer_ros.streets.people import Person, Wardrobe
from bisenetformer_ros.streets.rows import SLOT_BITS, Row, Terrace
from bisenetformer_ros.streets.textures import generator, pick
from bisenetformer_ros.streets.vegetation import Hedge, Plant, random_hedge, random_plant
from bisenetformer_ros.streets.vehicles import Vehicle

# Rows of things; the code of a thing is row << SLOT_BITS | slot.
LEADING, ONCOMING, PARKED_LEFT, PARKED_RIGHT, CYCLING, CYCLING_BACK = 1, 2, 3, 4, 5, 6
WALKING = {(-1, 1): 7, (-1, -1): 8, (1, 1): 9, (1, -1): 10}
_CLASS_OF_ROW = {
    **dict.fromkeys((LEADING, ONCOMING, PARKED_LEFT, PARKED_RIGHT), CAR),
    **dict.fromkeys((CYCLING, CYCLING_BACK), BICYCLIST),
    **dict.fromkeys(WALKING.values(), PEDESTRIAN),
}


def class_table() -> np.ndarray:
    """Return the class id of each code, (65536,) uint8."""
    codes = np.arange(1 << 16)
    table = codes.astype(np.uint8)
    for row, class_id in _CLASS_OF_ROW.items():
        table[codes >> SLOT_BITS == row] = class_id
    return table


def is_thing(codes: np.ndarray) -> np.ndarray:
    """Return where codes belong to things instead of stuff."""
    return codes >> SLOT_BITS > 0


class Street:
    """All rows along one street."""

    def __init__(self, layout: Layout, light: Light):
        self._layout = layout
        self._rng = generator(layout.seed, 4)
        self._stock = Stock(self._rng, light.is_dark)
        self._rows: list[Row | Terrace] = self._driving()
        for side in layout.sides:
            self._rows += self._plots(side) + self._furniture(side) + self._walking(side)

    def items(self, time_s: float) -> list[Item]:
        """Return the objects around the camera at a time since the start of the drive."""
        return [item for row in self._rows for item in row.items(self._layout, time_s)]

    def _driving(self) -> list[Row | Terrace]:
        layout, rng, make = self._layout, self._rng, self._stock.cyclist
        lane, ride = layout.hand * layout.lane / 2, layout.hand * (layout.lane - 0.45)
        vehicles, riders = layout.traffic, 0.4 * layout.people
        leading = Row(11, 0, lane, rng.uniform(12, 22), 0.8 * vehicles, Vehicle, spread=0.15, thing=LEADING, ahead=True)
        leading.speed = layout.speed
        oncoming = Row(12, 0, -lane, rng.uniform(12, 24), vehicles, Vehicle, spread=0.15, thing=ONCOMING)
        oncoming.speed = -rng.uniform(4, 11)
        cycling = Row(13, 0, ride, 14.0, riders, make, spread=0.1, thing=CYCLING, speed=rng.uniform(3, 5.5))
        back = Row(14, 0, -ride, 18.0, riders, make, spread=0.1, thing=CYCLING_BACK, speed=-rng.uniform(3, 5.5))
        return [leading, oncoming, cycling, back, *self._parking()]

    def _parking(self) -> list[Row]:
        rows = []
        for side, thing in zip(self._layout.sides, (PARKED_LEFT, PARKED_RIGHT), strict=True):
            if side.parking:
                u, make = side.sign * (side.curb - 1.1), self._stock.parked_vehicle
                spacing, density = self._rng.uniform(5.6, 8), self._rng.uniform(0.3, 0.9)
                rows.append(Row(20 + side.sign, side.sign, u, spacing, density, make, spread=0.1, thing=thing))
        return rows

    def _plots(self, side: Side) -> list[Row | Terrace]:
        rng, out, stock = self._rng, side.sign, self._stock
        key = 150 + 50 * out
        build = stock.houses(rng, side.kind)
        density = {"town": 0.96, "terrace": 0.93, "houses": 0.62, "park": 0.2}[side.kind]
        backyard, front_yard = out * (side.front + 14), out * (side.line + 0.5 * side.setback + 0.8)
        rows: list[Row | Terrace] = [
            Terrace(key, out, out * side.front, rng.uniform(7, 12), density, build),
            Row(key + 1, out, backyard, 6.0, 0.7, stock.tree, spread=3.0, roadside=False),
        ]
        if side.is_green:
            trees = 0.6 if side.kind == "park" else 0.3
            rows.append(Row(key + 2, out, front_yard, 7.0, trees, stock.tree, spread=1.0))
            rows.append(Row(key + 3, out, out * (side.line + 1.5), 4.0, 0.4, stock.bush, spread=0.8))
        if side.setback > 0.8:
            rows.append(self._boundary(side, key + 4))
        return rows

    def _boundary(self, side: Side, key: int) -> Row:
        """Separate the plots from the pavement by a hedge, a wall or a fence."""
        rng, out, u = self._rng, side.sign, side.sign * (side.line + 0.05)
        what = rng.random()
        if what < 0.4:
            return self._fence(key, out, u, 3.0, 0.85, (0.9, 1.7), cluster=4)
        green = what < 0.7
        texture = random_hedge(rng) if green else self._stock.gables[0]
        code, height = (TREE, rng.uniform(0.8, 2.2)) if green else (BUILDING, rng.uniform(0.6, 1.6))
        return Row(key, out, u, 4.0, 0.85, lambda item: Hedge(item, texture, 4.0, height, code), cluster=3, jitter=0)

    def _fence(
        self, key: int, side: int, u: float, panel: float, density: float, heights: tuple[float, float], cluster: int
    ) -> Row:
        texture, height = random_fence(self._rng), self._rng.uniform(*heights)
        return Row(key, side, u, panel, density, lambda _: Fence(texture, panel, height), cluster=cluster, jitter=0)

    def _furniture(self, side: Side) -> list[Row | Terrace]:
        rng, out, stock = self._rng, side.sign, self._stock
        key, u, crowd = 161 + 50 * out, out * (side.curb + 0.45), self._layout.crowd
        lamp_post = stock.lamp_post(rng.uniform(5.5, 9))
        rows: list[Row | Terrace] = [
            Row(key, out, u, rng.uniform(22, 34) / crowd, 0.85, lamp_post, spread=0.05, jitter=0.2),
            Row(key + 1, out, u, 13.0 / crowd, rng.uniform(0.3, 0.7), stock.sign, spread=0.1),
        ]
        if rng.random() < 0.3 * crowd:
            rows.append(Row(key + 2, out, u, rng.uniform(1.6, 3), 0.4, stock.bollard, cluster=8, jitter=0))
        elif rng.random() < 0.45:
            rows.append(self._fence(key + 3, out, u - 0.15 * out, 2.5, 0.45, (0.95, 1.2), cluster=5))
        if rng.random() < (0.25 if side.kind == "town" else 0.5):
            rows.append(Row(key + 4, out, out * (side.curb + 0.8), rng.uniform(8, 15), 0.7, stock.tree, spread=0.1))
        if rng.random() < 0.3:
            rows.append(Row(key + 5, out, u, 40.0 / crowd, 0.9, stock.mast, spread=0.1))
        return rows

    def _walking(self, side: Side) -> list[Row | Terrace]:
        out, density = side.sign, min(0.9, self._layout.people * 0.45)
        middle, room = out * (side.curb + 0.5 * side.pavement + 0.2), max(0.1, 0.5 * side.pavement - 0.6)
        rows: list[Row | Terrace] = []
        for way in (-1, 1):
            row = Row(300 + 10 * out + way, out, middle, 5.0, density, self._stock.walker, spread=room)
            row.speed, row.thing = way * self._rng.uniform(1.0, 1.6), WALKING[out, way]
            rows.append(row)
        return rows


class Stock:
    """Makes random objects from textures that are shared within the drive, each with its own random numbers."""

    def __init__(self, rng: np.random.Generator, lit_windows: bool):
        self._lit_windows = lit_windows
        self._roofs = [random_roof(rng) for _ in range(3)]
        self.gables = [random_gable(rng) for _ in range(3)]
        self._wardrobe = Wardrobe(rng)
        kinds = ("round", "tall", "conifer", "bare")
        self._trees = [random_plant(rng, str(rng.choice(kinds, p=(0.45, 0.15, 0.15, 0.25)))) for _ in range(4)]
        self._bushes = [random_plant(rng, "bush") for _ in range(2)]
        self._boards = [random_board(rng) for _ in range(5)]
        self._metal = rng.uniform(45, 160) + rng.normal(0, 6, 3)

    def houses(self, rng: np.random.Generator, kind: str) -> Callable[[np.random.Generator, float], Building]:
        """Return a factory of houses, given their lengths, for one side of a kind of street."""
        facades = [random_facade(rng, kind, self._lit_windows) for _ in range(6)]

        def build(house: np.random.Generator, length: float) -> Building:
            return Building(house, pick(house, facades), pick(house, self.gables), pick(house, self._roofs), length)

        return build

    def tree(self, rng: np.random.Generator) -> Plant:
        return Plant(rng, pick(rng, self._trees))

    def bush(self, rng: np.random.Generator) -> Plant:
        return Plant(rng, pick(rng, self._bushes))

    def sign(self, rng: np.random.Generator) -> Sign:
        return Sign(rng, *pick(rng, self._boards))

    def lamp_post(self, height: float) -> Callable[[np.random.Generator], LampPost]:
        return lambda rng: LampPost(rng, self._metal, height)

    def bollard(self, rng: np.random.Generator) -> Post:
        return Post(self._metal, 1.0, 0.08)

    def mast(self, rng: np.random.Generator) -> Post:
        return Post(self._metal, 7.0, 0.08)

    def cyclist(self, rng: np.random.Generator) -> Person:
        return Person(rng, self._wardrobe, rides=True)

    def walker(self, rng: np.random.Generator) -> Person:
        return Person(rng, self._wardrobe, rides=False)

    def parked_vehicle(self, rng: np.random.Generator) -> Vehicle:
        return Vehicle(rng, parked=True)
