"""Draws pictures of the documents, overlay.png and tracks.jpg in docs/images: `python tools/pictures.py`.

The shipped model segments and tracks a generated drive, as the node does.
"""

from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.images.draw import overlay
from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.images.panels import side_by_side, with_legend
from bisenetformer_ros.images.track_grid import track_grid
from bisenetformer_ros.resources import SHIPPED_MODEL
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.streets import StreetDrive

SEED, RATE_HZ = 7, 10.0
FIRST, FRAMES = 28, 20
SHOWN = 14
IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def track(segmenter: Segmenter) -> list[tuple[str, np.ndarray, SegmentationResult]]:
    """Return (seconds since the first, image, result) of consecutive frames."""
    drive, follow = StreetDrive(SEED, FIRST + FRAMES, frame_rate_hz=RATE_HZ), segmenter.track()
    frames = []
    for number in range(FRAMES):
        rgb, time_s = drive[FIRST + number].rgb, number / RATE_HZ
        frames.append((f"{time_s:.1f} s", rgb, follow(rgb, stamp_s=time_s)))
    return frames


def main() -> None:
    segmenter = Segmenter(SHIPPED_MODEL, task="panoptic", engine="torch", device="cpu")
    labels, frames = segmenter.labels, track(segmenter)
    write_image(IMAGES / "tracks.jpg", track_grid(frames, labels), [cv2.IMWRITE_JPEG_QUALITY, 85])
    _, rgb, result = frames[SHOWN]
    pair = side_by_side({"camera": rgb, "overlay": overlay(rgb, result, labels, with_ids=True)})
    write_image(IMAGES / "overlay.png", with_legend(pair, labels, result.label_map))


if __name__ == "__main__":
    main()
