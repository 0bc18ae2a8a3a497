"""Everything that stands and moves in the street of one drive."""

import numpy as np

from bisenetformer_ros.data.synthetic.buildings import Building
from bisenetformer_ros.data.synthetic.classes import BICYCLIST, BUILDING, CAR, PEDESTRIAN, TREE
from bisenetformer_ros.data.synthetic.facades import random_facade, random_gable, random_roof
from bisenetformer_ros.data.synthetic.furniture import Fence, LampPost, Post, Sign, random_board, random_fence
from bisenetformer_ros.data.synthetic.items import Item
from bisenetformer_ros.data.synthetic.layout import Layout, Side
from bisenetformer_ros.data.synthetic.light import Light
from bisenetformer_ros.data.synthetic.people import Person, Wardrobe
from bisenetformer_ros.data.synthetic.rows import SLOT_BITS, Row, Terrace
from bisenetformer_ros.data.synthetic.textures import generator
from bisenetformer_ros.data.synthetic.vegetation import Hedge, Plant, random_hedge, random_plant
from bisenetformer_ros.data.synthetic.vehicles import Vehicle

# The rows of things; a code is the row shifted by SLOT_BITS, plus the slot.
LEADING, ONCOMING, PARKED_LEFT, PARKED_RIGHT, CYCLING, CYCLING_BACK = 1, 2, 3, 4, 5, 6
WALKING = {(-1, 1): 7, (-1, -1): 8, (1, 1): 9, (1, -1): 10}
_CLASS_OF_ROW = {
    **dict.fromkeys((LEADING, ONCOMING, PARKED_LEFT, PARKED_RIGHT), CAR),
    **dict.fromkeys((CYCLING, CYCLING_BACK), BICYCLIST),
    **dict.fromkeys(WALKING.values(), PEDESTRIAN),
}


def class_table() -> np.ndarray:
    """(65536,) uint8: the class id of every code."""
    codes = np.arange(1 << 16)
    table = codes.astype(np.uint8)
    for row, class_id in _CLASS_OF_ROW.items():
        table[codes >> SLOT_BITS == row] = class_id
    return table


class Street:
    """items(time) finds what is around the camera; textures are shared by all of a kind."""

    def __init__(self, layout: Layout, light: Light):
        self._layout = layout
        self._rng = generator(layout.seed, 4)
        self._light = light
        rng = self._rng
        self._roofs = [random_roof(rng) for _ in range(3)]
        self._gables = [random_gable(rng) for _ in range(3)]
        self._wardrobe = Wardrobe(rng)
        self._trees = [random_plant(rng, self._tree_kind()) for _ in range(4)]
        self._bushes = [random_plant(rng, "bush") for _ in range(2)]
        self._boards = [random_board(rng) for _ in range(5)]
        self._metal = rng.uniform(45, 160) + rng.normal(0, 6, 3)
        self._rows: list[Row | Terrace] = self._traffic()
        for side in layout.sides:
            self._rows += self._plots(side) + self._furniture(side) + self._walkers(side)

    def items(self, time_s: float) -> list[Item]:
        return [item for row in self._rows for item in row.items(self._layout, time_s)]

    def _tree_kind(self) -> str:
        return str(self._rng.choice(["round", "tall", "conifer", "bare"], p=(0.45, 0.15, 0.15, 0.25)))

    def _traffic(self) -> list[Row | Terrace]:
        layout, rng = self._layout, self._rng
        lane, hand, jam = layout.lane / 2, layout.hand, layout.traffic
        ride = hand * (layout.lane - 0.45)
        ahead = {"thing": LEADING, "speed": layout.speed, "ahead": True, "roadside": False}
        rows: list[Row | Terrace] = [
            Row(11, 0, hand * lane, rng.uniform(12, 22), jam * 0.8, Vehicle, 0.15, **ahead),
            Row(12, 0, -hand * lane, rng.uniform(12, 24), jam, Vehicle, 0.15, speed=-rng.uniform(4, 11), thing=ONCOMING, roadside=False),
            Row(13, 0, ride, 14.0, 0.4 * layout.people, self._rider, 0.1, speed=rng.uniform(3, 5.5), thing=CYCLING, roadside=False),
            Row(14, 0, -ride, 18.0, 0.4 * layout.people, self._rider, 0.1, speed=-rng.uniform(3, 5.5), thing=CYCLING_BACK, roadside=False),
        ]  # fmt: skip
        for side, thing in zip(layout.sides, (PARKED_LEFT, PARKED_RIGHT), strict=True):
            if side.parking:
                u = side.sign * (side.curb - 1.1)
                rows.append(Row(20 + side.sign, side.sign, u, rng.uniform(5.6, 8), rng.uniform(0.3, 0.9), self._parked, 0.1, thing=thing))
        return rows

    def _plots(self, side: Side) -> list[Row | Terrace]:
        rng = self._rng
        facades = [random_facade(rng, side.kind, self._light.is_dark) for _ in range(6)]
        density = {"town": 0.96, "terrace": 0.93, "houses": 0.62, "park": 0.2}[side.kind]

        def build(house: np.random.Generator, length: float) -> Building:
            pick = [pool[house.integers(0, len(pool))] for pool in (facades, self._gables, self._roofs)]
            return Building(house, *pick, length)

        key = 100 + 50 * (side.sign + 1)
        out = side.sign
        rows: list[Row | Terrace] = [
            Terrace(key, out, out * side.front, rng.uniform(7, 12), density, build),
            Row(key + 1, out, out * (side.front + 14), 6.0, 0.7, self._tree, 3.0, roadside=False),
        ]
        if side.is_green:
            rows.append(Row(key + 2, out, out * (side.line + 0.5 * side.setback + 0.8), 7.0, 0.6 if side.kind == "park" else 0.3, self._tree, 1.0))
            rows.append(Row(key + 3, out, out * (side.line + 1.5), 4.0, 0.4, self._bush, 0.8))
        if side.setback > 0.8:
            rows.append(self._boundary(side, key + 4))
        return rows

    def _boundary(self, side: Side, key: int) -> Row:
        """What separates the plots from the pavement: a hedge, a wall or a fence."""
        rng, u = self._rng, side.sign * (side.line + 0.05)
        what = rng.random()
        if what < 0.4:
            fence, height = random_fence(rng), rng.uniform(0.9, 1.7)
            return Row(key, side.sign, u, 3.0, 0.85, lambda _: Fence(fence, 3.0, height), cluster=4, jitter=0)
        green = what < 0.7
        texture = random_hedge(rng) if green else self._gables[0]
        code, height = (TREE, rng.uniform(0.8, 2.2)) if green else (BUILDING, rng.uniform(0.6, 1.6))
        return Row(key, side.sign, u, 4.0, 0.85, lambda item: Hedge(item, texture, 4.0, height, code), cluster=3, jitter=0)

    def _furniture(self, side: Side) -> list[Row | Terrace]:
        rng, out = self._rng, side.sign
        key = 101 + 50 * (out + 1) + 10
        curb = out * (side.curb + 0.45)
        tall = rng.uniform(5.5, 9)
        rows: list[Row | Terrace] = [
            Row(key, out, curb, rng.uniform(22, 34), 0.85, lambda lamp: LampPost(lamp, self._metal, tall), 0.05, jitter=0.2),
            Row(key + 1, out, curb, 13.0, rng.uniform(0.3, 0.7), self._sign, 0.1),
        ]  # fmt: skip
        if rng.random() < 0.3:
            rows.append(Row(key + 2, out, curb, rng.uniform(1.6, 3), 0.4, lambda post: Post(post, self._metal, 1.0, 0.08), cluster=8, jitter=0))
        elif rng.random() < 0.45:
            fence, height = random_fence(rng), rng.uniform(0.95, 1.2)
            rows.append(Row(key + 3, out, curb - 0.15 * out, 2.5, 0.45, lambda _: Fence(fence, 2.5, height), cluster=5, jitter=0))
        if rng.random() < (0.25 if side.kind == "town" else 0.5):
            rows.append(Row(key + 4, out, out * (side.curb + 0.8), rng.uniform(8, 15), 0.7, self._tree, 0.1))
        if rng.random() < 0.3:
            rows.append(Row(key + 5, out, curb, 40.0, 0.9, lambda post: Post(post, self._metal, 7.0, 0.08), 0.1))
        return rows

    def _walkers(self, side: Side) -> list[Row | Terrace]:
        rng, density = self._rng, min(0.9, self._layout.people * 0.45)
        middle, room = side.curb + 0.5 * side.pavement + 0.2, max(0.1, 0.5 * side.pavement - 0.6)
        return [
            Row(300 + 10 * side.sign + way, side.sign, side.sign * middle, 5.0, density, self._walker, room,
                speed=way * rng.uniform(1.0, 1.6), thing=WALKING[side.sign, way], roadside=False)
            for way in (-1, 1)
        ]  # fmt: skip

    def _tree(self, rng: np.random.Generator) -> Plant:
        return Plant(rng, self._trees[rng.integers(0, len(self._trees))])

    def _bush(self, rng: np.random.Generator) -> Plant:
        return Plant(rng, self._bushes[rng.integers(0, len(self._bushes))])

    def _sign(self, rng: np.random.Generator) -> Sign:
        return Sign(rng, *self._boards[rng.integers(0, len(self._boards))])

    def _rider(self, rng: np.random.Generator) -> Person:
        return Person(rng, self._wardrobe, rides=True)

    def _walker(self, rng: np.random.Generator) -> Person:
        return Person(rng, self._wardrobe, rides=False)

    @staticmethod
    def _parked(rng: np.random.Generator) -> Vehicle:
        return Vehicle(rng, parked=True)
