"""Frames of a benchmark: those that are measured, and others to calibrate int8 on."""

from itertools import islice

import cv2
import numpy as np

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.images.sources import open_source
from bisenetformer_ros.streets import StreetDrive

NUM_FRAMES = 4
"""Several frames, so that no engine profits from a picture that suits it."""
NUM_CALIBRATION = 8
DRIVE, CALIBRATION_DRIVE = 3, 4
"""Seeds of the generated streets."""


def load_frames(source: str | None, size: tuple[int, int]) -> list[np.ndarray]:
    """Load NUM_FRAMES frames (*size, 3) uint8 RGB: the first of the source, resized, or generated streets."""
    return _drive(DRIVE, size, NUM_FRAMES) if source is None else _pictures(source, size, 0, NUM_FRAMES)


def load_calibration(source: str | None, size: tuple[int, int]) -> list[np.ndarray]:
    """Load up to NUM_CALIBRATION other frames of the same kind. Raises EngineError if the source has no others."""
    if source is None:
        return _drive(CALIBRATION_DRIVE, size, NUM_CALIBRATION)
    pictures = _pictures(source, size, NUM_FRAMES, NUM_FRAMES + NUM_CALIBRATION)
    if not pictures:
        raise EngineError(
            f"int8 is calibrated on frames besides the measured ones: {source} has no more than {NUM_FRAMES}"
        )
    return pictures


def _drive(seed: int, size: tuple[int, int], count: int) -> list[np.ndarray]:
    drive = StreetDrive(seed=seed, num_frames=60, size=size)
    return [drive[60 * index // count].rgb for index in range(count)]


def _pictures(source: str, size: tuple[int, int], first: int, end: int) -> list[np.ndarray]:
    pictures = (frame.read() for frame in islice(open_source(source).frames, first, end))
    return [cv2.resize(picture, size[::-1], interpolation=cv2.INTER_CUBIC) for picture in pictures]
