"""The outlines that shadows have on the ground."""

import cv2
import numpy as np

from bisenetformer_ros.data.synthetic.buildings import DEPTH_M, Building
from bisenetformer_ros.data.synthetic.items import Item
from bisenetformer_ros.data.synthetic.light import Light
from bisenetformer_ros.data.synthetic.people import Person
from bisenetformer_ros.data.synthetic.vegetation import Hedge, Plant
from bisenetformer_ros.data.synthetic.vehicles import Vehicle

MIN_HARD = 0.1
"""Light that throws weaker shadows than this throws none with an edge."""

FAR_M = 60.0
"""Beyond this distance from the camera shadows are too flat to matter."""


def ground_shadows(items: list[Item], light: Light, station: float) -> list[tuple[np.ndarray, float]]:
    """(N, 2) outlines (u, s) in metres and how dark each is, 0..1."""
    shadows = []
    for item in items:
        if isinstance(item.model, Vehicle):
            shadows.append((_grown(item.corners[:4, ::2], 0.12), 0.62))
        elif isinstance(item.model, Person):
            shadows.append((item.corners[:4, ::2], 0.25))
        if light.shadow >= MIN_HARD and item.s < station + FAR_M:
            shadows.append((_thrown(item, light), light.shadow))
    return shadows


def _thrown(item: Item, light: Light) -> np.ndarray:
    """The hull of the base and of the top, moved away from the sun."""
    sun_u, sun_up, sun_s = light.sun
    reach = np.array([-sun_u, -sun_s]) / max(sun_up, 0.2)
    base = item.corners[:4, ::2].copy()
    low, high = 0.0, item.model.height
    if isinstance(item.model, Building):
        base[[0, 3] if item.side < 0 else [1, 2], 0] += item.side * DEPTH_M
    elif isinstance(item.model, Plant):
        turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        radius = 0.42 * item.model.width
        base = item.foot[::2] + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        low = 0.35 * high
    elif isinstance(item.model, Person):
        base = item.foot[::2] + 0.4 * (base - item.foot[::2])
    elif not isinstance(item.model, Vehicle | Hedge):
        base = item.foot[::2] + np.clip(base - item.foot[::2], -0.08, 0.08)
    points = np.concatenate([base + reach * low, base + reach * high]).astype(np.float32)
    return cv2.convexHull(points)[:, 0].astype(np.float64)


def _grown(outline: np.ndarray, margin: float) -> np.ndarray:
    middle = outline.mean(axis=0)
    return outline + np.sign(outline - middle) * margin
