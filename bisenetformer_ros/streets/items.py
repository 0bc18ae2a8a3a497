"""Objects in the street."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bisenetformer_ros.streets.canvas import Canvas


class Model(Protocol):
    """The appearance of an object; sizes in metres, length along the road."""

    width: float
    length: float
    height: float

    def draw(self, canvas: Canvas, item: "Item") -> None: ...


@dataclass(frozen=True)
class Item:
    """An object at a moment; its box in road coordinates is u ± width/2, 0..height, s..s + length.

    Attributes:
        code: Of a thing (see street.py); 0 for stuff, whose model knows its class.
        heading: 1 away from the camera, -1 towards it.
        way: Metres it has moved by itself.
        side: Of the road, -1 left, 1 right.
    """

    model: Model
    u: float
    s: float
    code: int = 0
    heading: int = 1
    way: float = 0.0
    side: int = 0

    @property
    def foot(self) -> np.ndarray:
        """(3,) middle of the base in road coordinates."""
        return np.array([self.u, 0.0, self.s + 0.5 * self.model.length])

    @property
    def far_end(self) -> float:
        return self.s + self.model.length

    @property
    def corners(self) -> np.ndarray:
        """(8, 3) corners of the box in road coordinates, the base first."""
        half, near, far = 0.5 * self.model.width, self.s, self.far_end
        base = np.array([[u, 0.0, s] for u, s in ((-half, near), (half, near), (half, far), (-half, far))])
        base[:, 0] += self.u
        return np.concatenate([base, base + np.array([0.0, self.model.height, 0.0])])

    def depth_order(self, lateral: float) -> float:
        """Return the key for painting, from high to low.

        Rays from the camera diverge from the road, so of two objects side by side only the outer one can be hidden; the
        second term accounts for that where the first alone would be wrong.
        """
        return self.s + 0.5 * self.model.length + 2.5 * abs(self.u - lateral)
