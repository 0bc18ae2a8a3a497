"""The rendered streets that ship for comparing two engines."""

import cv2
import numpy as np

from bisenetformer_ros.images.files import read_rgb
from bisenetformer_ros.resources import share_dir


def load_verification_frames(size: tuple[int, int]) -> list[np.ndarray]:
    """Load four frames, resized to (height, width) `size`: (H, W, 3) uint8 RGB.

    They are frame 20 of `StreetDrive(seed, size=(360, 480))` for the seeds 0 to 3, as JPEG files of quality 95.
    """
    paths = sorted((share_dir() / "config" / "verification").glob("*.jpg"))
    return [cv2.resize(read_rgb(path), size[::-1], interpolation=cv2.INTER_AREA) for path in paths]
