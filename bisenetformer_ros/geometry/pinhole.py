"""The pinhole camera: from pixels with depth to points, and depth images of other sizes than the colour image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bisenetformer_ros.images.raw import BadFrameError


class CameraInfo(Protocol):
    """sensor_msgs/CameraInfo."""

    height: int
    width: int
    binning_x: int
    binning_y: int
    roi: Any

    k: Sequence[float]
    p: Sequence[float]


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion; pixel centres have whole coordinates.

    Attributes:
        fx: Focal length along x in pixels.
        fy: Focal length along y in pixels.
        cx: Column of the optical axis in pixels.
        cy: Row of the optical axis in pixels.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def from_camera_info(cls, info: CameraInfo, size: tuple[int, int]) -> "Pinhole":
        """Take the projection matrix of the rectified image, or the camera matrix where it is not set.

        Args:
            info: Calibration.
            size: (height, width) of the images that it belongs to.

        Raises:
            BadFrameError: It has no focal length, or belongs to images of another size.
        """
        if not fits_size(info, size):
            height, width = calibrated_size(info)
            raise BadFrameError(
                "other_camera_info",
                f"the depth image is {size[1]}x{size[0]} but its camera_info is for {width}x{height}: use the "
                "camera_info that is published with the depth image",
            )
        matrix = info.p if info.p[0] > 0 else info.k
        row = len(matrix) // 3  # of P, which is 3x4, or K, which is 3x3
        numbers = fx, fy, cx, cy = matrix[0], matrix[row + 1], matrix[2], matrix[row + 2]
        if not (np.isfinite(numbers).all() and fx > 0 and fy > 0):
            raise BadFrameError(
                "uncalibrated",
                f"camera_info has the focal lengths {fx:g} and {fy:g}, expected positive numbers: calibrate the "
                "camera, or use the camera_info of its depth image",
            )
        scale_x, scale_y = (1 / max(binning, 1) for binning in (info.binning_x, info.binning_y))
        return cls(fx, fy, cx - info.roi.x_offset, cy - info.roi.y_offset).scaled(scale_x, scale_y)

    def scaled(self, scale_x: float, scale_y: float) -> "Pinhole":
        """Return the camera of the same view with `scale_x` times the columns and `scale_y` times the rows."""
        return Pinhole(
            self.fx * scale_x,
            self.fy * scale_y,
            (self.cx + 0.5) * scale_x - 0.5,
            (self.cy + 0.5) * scale_y - 0.5,
        )

    def rays(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return x / z of every column, (W,) float32, and y / z of every row, (H,) float32, for (H, W) pixels."""
        columns = (np.arange(size[1]) - self.cx) / self.fx
        rows = (np.arange(size[0]) - self.cy) / self.fy
        return columns.astype(np.float32), rows.astype(np.float32)


def calibrated_size(info: CameraInfo) -> tuple[int, int]:
    """Return (height, width) after region of interest and binning; a size of 0 is unknown, a binning of 0 is none."""
    height = (info.roi.height or info.height) // max(info.binning_y, 1)
    width = (info.roi.width or info.width) // max(info.binning_x, 1)
    return height, width


def fits_size(info: CameraInfo, image_size: tuple[int, int]) -> bool:
    """Return whether a calibration may belong to images of (height, width)."""
    return all(known in (0, side) for known, side in zip(calibrated_size(info), image_size, strict=True))


def fit_depth(depth: np.ndarray, camera: Pinhole, size: tuple[int, int]) -> tuple[np.ndarray, Pinhole]:
    """Bring a depth image to the size of the colour image, by repeating or skipping pixels.

    Interpolation would invent points between an object and what is behind it.

    Args:
        depth: (h, w) of the same view as the colour image.
        camera: Of the depth image.
        size: (H, W) of the colour image, a multiple or a fraction of (h, w) by one whole number.

    Returns:
        (H, W) depth, and the camera of that size.

    Raises:
        BadFrameError: The ratio of the sizes is not a whole number.
    """
    (height, width), (h, w) = size, depth.shape
    if height % h == 0 and (height // h) * w == width:
        ratio = height // h
        if ratio > 1:
            depth = depth.repeat(ratio, axis=0).repeat(ratio, axis=1)
        return depth, camera.scaled(ratio, ratio)
    if h % height == 0 and (h // height) * width == w:
        ratio = h // height
        return depth[ratio // 2 :: ratio, ratio // 2 :: ratio], camera.scaled(1 / ratio, 1 / ratio)
    raise BadFrameError(
        "other_size",
        f"the depth image is {w}x{h} but the mask {width}x{height}, expected equal sizes or a whole-number ratio: "
        "publish depth registered to the colour camera, in its size",
    )
