"""What every object that stands in the street has in common."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bisenetformer_ros.streets.canvas import Canvas


class Model(Protocol):
    """How one object looks. Sizes in metres; length is along the road."""

    width: float
    length: float
    height: float

    def draw(self, canvas: Canvas, item: "Item") -> None: ...


@dataclass(frozen=True)
class Item:
    """An object at a moment: its box in road coordinates is u ± width/2, 0..height, s..s + length.

    code: that of a thing (see street), 0 for stuff, whose model knows its class. heading: 1 away from the camera, -1
    towards it. way: metres it has moved by itself. side: of the road, -1 left, 1 right.
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
        """(3,) the middle of its base in road coordinates."""
        return np.array([self.u, 0.0, self.s + 0.5 * self.model.length])

    @property
    def far_end(self) -> float:
        return self.s + self.model.length

    @property
    def corners(self) -> np.ndarray:
        """(8, 3) road coordinates of the corners of its box; the base first."""
        half, near, far = 0.5 * self.model.width, self.s, self.far_end
        base = np.array([[u, 0.0, s] for u, s in ((-half, near), (half, near), (half, far), (-half, far))])
        base[:, 0] += self.u
        return np.concatenate([base, base + np.array([0.0, self.model.height, 0.0])])

    def depth_order(self, lateral: float) -> float:
        """Objects are painted from high to low.

        A ray from the camera leaves the road further and further, so of two objects side by side the outer one can
        only be the hidden one; the second term says so where the first alone would be wrong.
        """
        return self.s + 0.5 * self.model.length + 2.5 * abs(self.u - lateral)
