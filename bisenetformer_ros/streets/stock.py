"""What the objects of one drive are made from: the textures that things of a kind share."""

from collections.abc import Callable

import numpy as np

from bisenetformer_ros.streets.buildings import Building
from bisenetformer_ros.streets.facades import random_facade, random_gable, random_roof
from bisenetformer_ros.streets.furniture import LampPost, Post, Sign, random_board
from bisenetformer_ros.streets.people import Person, Wardrobe
from bisenetformer_ros.streets.vegetation import Plant, random_plant
from bisenetformer_ros.streets.vehicles import Vehicle


class Stock:
    """Makes objects at random, each from its own random numbers."""

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
        """A maker of houses for one side of a street of this kind, given their length along it."""
        facades = [random_facade(rng, kind, self._lit_windows) for _ in range(6)]

        def build(house: np.random.Generator, length: float) -> Building:
            facade, gable, roof = (pool[house.integers(0, len(pool))] for pool in (facades, self.gables, self._roofs))
            return Building(house, facade, gable, roof, length)

        return build

    def tree(self, rng: np.random.Generator) -> Plant:
        return Plant(rng, self._trees[rng.integers(0, len(self._trees))])

    def bush(self, rng: np.random.Generator) -> Plant:
        return Plant(rng, self._bushes[rng.integers(0, len(self._bushes))])

    def sign(self, rng: np.random.Generator) -> Sign:
        return Sign(rng, *self._boards[rng.integers(0, len(self._boards))])

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
