"""Drives through streets that were never built: exact labels for the demo, the tests and the training.

Everything is drawn far to near with numpy and OpenCV, colours and labels by the same pixels. The labels are those of
the label map `camvid11`; its last three classes are things.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.streets.camera import NEAR_M, Camera
from bisenetformer_ros.streets.canvas import Canvas
from bisenetformer_ros.streets.ground import Ground
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.layout import random_layout
from bisenetformer_ros.streets.light import Lens, random_light
from bisenetformer_ros.streets.shadows import Shadows
from bisenetformer_ros.streets.sky import Sky
from bisenetformer_ros.streets.street import Street, class_table, is_thing
from bisenetformer_ros.streets.textures import generator

__all__ = ["StreetDrive", "SyntheticFrame"]

_CLASSES = class_table()


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """One picture of a drive.

    rgb: (H, W, 3) uint8. label_map: (H, W) uint8, ids of `camvid11`; every pixel has one.
    instance_map: (H, W) uint16, 0 on stuff, else the id of a thing, the same in all frames of its drive.
    """

    rgb: np.ndarray
    label_map: np.ndarray
    instance_map: np.ndarray


class StreetDrive:
    """A drive along one street, as a sequence of frames.

    Frame i depends on seed, i, size and frame_rate_hz only: any order of access gives the same pixels. Another version
    of OpenCV may draw single pixels differently.
    The first access draws the textures of the street, so the frames after it come faster.

    seed: from 0. num_frames: from 1. size: (height, width) in pixels, from 1 each. frame_rate_hz: above 0.
    Raises InputError for values outside of these ranges.
    """

    def __init__(
        self, seed: int, num_frames: int = 60, size: tuple[int, int] = (360, 480), frame_rate_hz: float = 10.0
    ):
        if seed < 0 or num_frames < 1 or min(size) < 1 or not frame_rate_hz > 0:
            raise InputError(
                "a drive needs a seed from 0, at least one frame, a size of at least 1x1 and a positive frame rate, "
                f"got seed={seed}, num_frames={num_frames}, size={size}, frame_rate_hz={frame_rate_hz}"
            )
        self.size = (int(size[0]), int(size[1]))
        self._num_frames = num_frames
        self._frame_rate_hz = frame_rate_hz
        self._layout = random_layout(seed)
        self._light = random_light(generator(seed, 7))
        self._sky = Sky(self._layout, self._light, self.size)
        self._ground = Ground(self._layout)
        self._street = Street(self._layout, self._light)
        self._shadows = Shadows(self._light)
        self._lens = Lens(self._light, self.size, seed)

    def __len__(self) -> int:
        return self._num_frames

    def __iter__(self) -> Iterator[SyntheticFrame]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> SyntheticFrame:
        camera, items = self.scene(index)
        canvas = Canvas(camera, self._light)
        self._sky.draw(canvas)
        self._ground.draw(canvas, self._shadows.on_ground(items, camera.station))
        for item in items:
            item.model.draw(canvas, item)
        return SyntheticFrame(
            rgb=self._lens.expose(canvas.rgb, index % self._num_frames),
            label_map=_CLASSES[canvas.codes],
            instance_map=np.where(is_thing(canvas.codes), canvas.codes, np.uint16(0)),
        )

    def scene(self, index: int) -> tuple[Camera, list[Item]]:
        """The geometry of frame `index`: the camera and the objects around it in the order of painting.

        The code of a thing is its id in `instance_map`. Raises IndexError outside of the drive.
        """
        if not -self._num_frames <= index < self._num_frames:
            raise IndexError(f"frame {index} of a drive with {self._num_frames} frames")
        time_s = index % self._num_frames / self._frame_rate_hz
        camera = self._layout.camera(self.size, time_s)
        items = [item for item in self._street.items(time_s) if item.far_end > camera.station + NEAR_M]
        return camera, sorted(items, key=lambda item: item.depth_order(camera.lateral), reverse=True)
