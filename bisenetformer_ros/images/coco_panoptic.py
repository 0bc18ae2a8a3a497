"""The COCO panoptic format: one PNG of segment ids per image, and one JSON file for all images."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.images.files import read_pixels, write_image
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult

MAX_ID = 2**24 - 1
"""The largest segment id that three bytes hold."""


def ids_to_rgb(panoptic_map: np.ndarray) -> np.ndarray:
    """Convert (H, W) segment ids below 2^24 to (H, W, 3) uint8 RGB, id = R + 256 G + 65536 B."""
    ids = panoptic_map.astype(np.uint32)
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def read_ids(path: Path) -> np.ndarray:
    """Read segment ids, R + 256 G + 65536 B, from an 8-bit RGB or RGBA PNG; alpha is ignored.

    Returns:
        (H, W) uint32.

    Raises:
        DataError: The file cannot be read or is another kind of image.
    """
    pixels = read_pixels(path)
    if pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise DataError(
            f"{path} has {pixels.dtype} pixels of shape {pixels.shape}, expected an RGB PNG with 8 bits per channel "
            "that holds segment ids as R + 256 G + 65536 B"
        )
    rgba = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGBA if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    ids = rgba.view("<u4")[..., 0]
    ids &= MAX_ID
    return ids


class CocoPanopticWriter:
    """Writes NAME_panoptic.png for each image, and panoptic.json at the end.

    Category ids are class ids, from 0; image ids count from 1.
    """

    def __init__(self, folder: Path, labels: LabelMap) -> None:
        self._folder = folder
        self._labels = labels
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, result: SegmentationResult) -> None:
        """Write the PNG of one image. Raises InputError for a semantic result, OSError if writing fails."""
        if result.panoptic_map is None:
            raise InputError("COCO panoptic files require a panoptic result, got a semantic one: use the task panoptic")
        file_name = f"{name}_panoptic.png"
        write_image(self._folder / file_name, ids_to_rgb(result.panoptic_map))
        image_id = len(self._images) + 1
        height, width = result.panoptic_map.shape
        self._images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        segments_info = [_segment_info(segment) for segment in result.segments]
        self._annotations.append({"image_id": image_id, "file_name": file_name, "segments_info": segments_info})

    def finish(self) -> Path:
        """Write panoptic.json and return its path."""
        categories = [
            {
                "id": label.id,
                "name": label.name,
                "isthing": int(label.is_thing),
                "supercategory": "thing" if label.is_thing else "stuff",
                "color": list(label.color),
            }
            for label in self._labels.labels
        ]
        content = {"images": self._images, "annotations": self._annotations, "categories": categories}
        path = self._folder / "panoptic.json"
        write_atomically(path, (json.dumps(content) + "\n").encode())
        return path


def _segment_info(segment: Segment) -> dict[str, Any]:
    left, top, right, bottom = segment.box_xyxy
    return {
        "id": segment.id,
        "category_id": segment.class_id,
        "area": segment.area,
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
        "score": segment.score,
    }
