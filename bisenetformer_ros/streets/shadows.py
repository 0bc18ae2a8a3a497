"""Outlines of shadows on the ground."""

from dataclasses import dataclass

import cv2
import numpy as np

from bisenetformer_ros.streets.buildings import DEPTH_M, Building
from bisenetformer_ros.streets.items import Item, Model
from bisenetformer_ros.streets.light import Light
from bisenetformer_ros.streets.people import Person
from bisenetformer_ros.streets.vegetation import Hedge, Plant
from bisenetformer_ros.streets.vehicles import Vehicle

MIN_HARD = 0.1
"""In light with weaker shadows, objects cast none with an edge."""
FAR_M = 60.0
"""Cast shadows beyond this distance from the camera are too flat to matter."""
_UNDER_VEHICLE, _UNDER_PERSON = 0.62, 0.25


@dataclass(frozen=True)
class Shadow:
    """Convex (N, 2) outline in road coordinates (u, s), and darkness 0..1."""

    outline: np.ndarray
    darkness: float

    def moved(self, item: Item) -> "Shadow":
        return Shadow(self.outline + np.array([item.u, item.s]), self.darkness)


class Shadows:
    """The shadows of all objects; they move with the objects and keep their shape."""

    def __init__(self, light: Light):
        self._light = light
        self._contact: dict[Model, list[Shadow]] = {}
        self._cast: dict[Model, Shadow] = {}

    def on_ground(self, items: list[Item], station: float) -> list[Shadow]:
        """Return the shadows from bright to dark, for a camera `station` metres along the road."""
        shadows = []
        for item in items:
            if item.model not in self._contact:
                self._contact[item.model] = _contact(item.model)
                self._cast[item.model] = _cast(item, self._light)
            shadows += [shadow.moved(item) for shadow in self._contact[item.model]]
            if self._light.shadow >= MIN_HARD and item.s < station + FAR_M:
                shadows.append(self._cast[item.model].moved(item))
        return sorted(shadows, key=lambda shadow: shadow.darkness)


def _base(model: Model) -> np.ndarray:
    """(4, 2) outline of an object on the ground, relative to the middle of its near end."""
    half = model.width / 2
    return np.array([[-half, 0.0], [half, 0.0], [half, model.length], [-half, model.length]])


def _contact(model: Model) -> list[Shadow]:
    """Contact shadows of vehicles and people, which exist in any weather."""
    base = _base(model)
    if isinstance(model, Vehicle):
        return [Shadow(base + np.sign(base - base.mean(axis=0)) * 0.12, _UNDER_VEHICLE)]
    return [Shadow(base, _UNDER_PERSON)] if isinstance(model, Person) else []


def _cast(item: Item, light: Light) -> Shadow:
    """Hull of the base and of the top, displaced away from the sun."""
    model, base = item.model, _base(item.model)
    middle = base.mean(axis=0)
    low = 0.0
    if isinstance(model, Building):
        base[[0, 3] if item.side < 0 else [1, 2], 0] += item.side * DEPTH_M
    elif isinstance(model, Plant):
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        base = middle + 0.42 * model.width * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        low = 0.35 * model.height
    elif isinstance(model, Person):
        base = middle + 0.4 * (base - middle)
    elif not isinstance(model, Vehicle | Hedge):  # posts, not the boards and arms on top of them
        base = middle + np.clip(base - middle, -0.08, 0.08)
    sun_u, sun_up, sun_s = light.sun
    reach = np.array([-sun_u, -sun_s]) / max(sun_up, 0.2)
    points = np.concatenate([base + reach * low, base + reach * model.height]).astype(np.float32)
    return Shadow(cv2.convexHull(points)[:, 0].astype(np.float64), light.shadow)
