"""A drive along one street, frame by frame.

Each frame is painted far to near with NumPy and OpenCV; every stroke sets colours and labels of the same pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.images.frame_geometry import BOX, FrameGeometry
from bisenetformer_ros.streets.camera import NEAR_M, StreetCamera
from bisenetformer_ros.streets.canvas import Canvas
from bisenetformer_ros.streets.ground import Ground
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.layout import random_layout
from bisenetformer_ros.streets.light import Lens, random_light
from bisenetformer_ros.streets.relief import Relief
from bisenetformer_ros.streets.shadows import Shadows
from bisenetformer_ros.streets.sky import Sky
from bisenetformer_ros.streets.street import Street, class_table, is_thing
from bisenetformer_ros.streets.textures import generator

_CLASSES = class_table()
_FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """One frame of a drive.

    Attributes:
        rgb: (H, W, 3) uint8.
        label_map: (H, W) uint8 class ids of the label map `LABEL_MAP`; every pixel is labelled.
        instance_map: (H, W) uint16, 0 on stuff, else the id of the thing, which is constant over the drive.
    """

    rgb: np.ndarray
    label_map: np.ndarray
    instance_map: np.ndarray


@dataclass(frozen=True, eq=False)
class ThingBox:
    """The box around a thing along the axes of the camera's optical frame: x right, y down, z forward, in metres.

    A vehicle's bumpers and plates stand out by 5 cm. People are flat, halfway along z.

    Attributes:
        id: Its id in `SyntheticFrame.instance_map`.
        class_id: Its id in the label map `LABEL_MAP`.
        center: (3,) float64 middle.
        size: (3,) float64 extent along x, y and z.
    """

    id: int
    class_id: int
    center: np.ndarray
    size: np.ndarray


class StreetDrive:
    """A drive along one random street, as a sequence of `SyntheticFrame`s.

    Frame i depends on seed, i, size, frame_rate_hz and crowd only, so any order of access gives the same pixels. Single
    pixels may differ between versions of OpenCV. The first access is slow: it paints the textures of the street.

    Args:
        seed: At least 0.
        num_frames: At least 1.
        size: (height, width) in pixels, at least 1 each.
        frame_rate_hz: Above 0.
        crowd: Density of people, signs and posts as a multiple of what streets have by default; above 0.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        seed: int,
        num_frames: int = 60,
        size: tuple[int, int] = (360, 480),
        frame_rate_hz: float = 10.0,
        crowd: float = 1.0,
    ):
        if seed < 0 or num_frames < 1 or min(size) < 1 or not frame_rate_hz > 0 or not crowd > 0:
            raise InputError(
                "a drive needs a seed of at least 0, at least one frame, a size of at least 1x1, a positive frame rate "
                f"and a positive crowd, got seed={seed}, num_frames={num_frames}, size={size}, "
                f"frame_rate_hz={frame_rate_hz}, crowd={crowd}"
            )
        self.size = (int(size[0]), int(size[1]))
        self._num_frames = num_frames
        self._frame_rate_hz = frame_rate_hz
        self._layout = random_layout(seed, crowd)
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
        canvas = self._paint(index)
        return SyntheticFrame(
            rgb=self._lens.expose(canvas.rgb, index % self._num_frames),
            label_map=_CLASSES[canvas.codes],
            instance_map=np.where(is_thing(canvas.codes), canvas.codes, np.uint16(0)),
        )

    def _paint(self, index: int, with_depth: bool = False) -> Canvas:
        camera, items = self.scene(index)
        canvas = Canvas(camera, self._light, Relief(camera) if with_depth else None)
        self._sky.draw(canvas)
        self._ground.draw(canvas, self._shadows.on_ground(items, camera.station))
        for item in items:
            item.model.draw(canvas, item)
        return canvas

    def depth(self, index: int) -> np.ndarray:
        """Return the depth map of frame `index`, as REP 118 defines it; paints the frame anew.

        Returns:
            (H, W) float32, metres along the optical axis to the surface that owns the pixel in the label map; infinity
            for the sky. People, plants, signs and posts are flat and face the camera; the skyline is 160 m away.

        Raises:
            IndexError: `index` is outside the drive.
        """
        relief = self._paint(index, with_depth=True).relief
        assert relief is not None
        return relief.depth()

    def camera_matrix(self, index: int) -> np.ndarray:
        """Return the (3, 3) float64 camera matrix K of frame `index`, for pixel centres at whole coordinates.

        The camera has no distortion. Its pitching moves the principal point from frame to frame. Raises IndexError
        outside the drive.
        """
        return self.scene(index)[0].matrix

    def things(self, index: int) -> list[ThingBox]:
        """Return the boxes of all things ahead of the camera in frame `index`, visible or not.

        Raises IndexError outside the drive.
        """
        camera, items = self.scene(index)
        boxes = []
        for item in items:
            if item.code:
                corners = camera.to_camera(item.corners)
                least, most = corners.min(axis=0), corners.max(axis=0)
                boxes.append(ThingBox(item.code, int(_CLASSES[item.code]), (least + most) / 2, most - least))
        return boxes

    def scene(self, index: int) -> tuple[StreetCamera, list[Item]]:
        """Return the camera of frame `index` and the visible objects in painting order.

        The code of a thing is its id in `instance_map`. Raises IndexError outside the drive.
        """
        if not -self._num_frames <= index < self._num_frames:
            raise IndexError(f"frame {index} of a drive with {self._num_frames} frames")
        time_s = index % self._num_frames / self._frame_rate_hz
        camera = self._layout.camera(self.size, time_s)
        items = [item for item in self._street.items(time_s) if item.far_end > camera.station + NEAR_M]
        return camera, sorted(items, key=lambda item: item.depth_order(camera.lateral), reverse=True)


def render_drives(
    seeds: Sequence[int],
    num_frames: int,
    rate_hz: float,
    directory: Path,
    on_frame: Callable[[], None],
    depth_every: int = 0,
) -> None:
    """Render one drive per seed: images/NAME.png, labels/NAME.png, instances/NAME.png (16 bit) and geometry/NAME.npz.

    Args:
        seeds: Of the drives, which share the frames evenly.
        num_frames: In total.
        rate_hz: Frames per second of the drives.
        directory: An existing, empty folder.
        on_frame: Called after each frame.
        depth_every: The geometry of every so many frames has depth and boxes besides the camera matrix; 0 for none.
            Depth takes as long as the frame.
    """
    *folders, geometry = (directory / name for name in ("images", "labels", "instances", "geometry"))
    for folder in (*folders, geometry):
        folder.mkdir()
    ends = [num_frames * (i + 1) // len(seeds) for i in range(len(seeds))]
    number = 0
    for seed, end in zip(seeds, ends, strict=True):
        if end == number:
            continue
        drive = StreetDrive(seed, end - number, frame_rate_hz=rate_hz)
        for index, frame in enumerate(drive):
            name = f"{number:05d}_drive{seed}"
            for folder, image in zip(folders, (frame.rgb, frame.label_map, frame.instance_map), strict=True):
                write_image(folder / f"{name}.png", image, _FAST_PNG)
            depth, boxes = None, None
            if depth_every and number % depth_every == 0:
                things = [(thing.id, thing.class_id, thing.center, thing.size) for thing in drive.things(index)]
                depth, boxes = drive.depth(index), np.array(things, BOX)
            FrameGeometry(drive.camera_matrix(index), depth, boxes).save(geometry / f"{name}.npz")
            number += 1
            on_frame()
