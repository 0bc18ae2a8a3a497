"""The COCO panoptic format: a PNG of segment ids per image, and one JSON file about all of them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult


def ids_to_rgb(panoptic_map: np.ndarray) -> np.ndarray:
    """(H, W) segment ids below 2^24 → (H, W, 3) uint8 with id = R + 256 G + 65536 B."""
    ids = panoptic_map.astype(np.uint32)
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)


def read_ids(path: Path) -> np.ndarray:
    """An 8-bit RGB PNG → (H, W) uint32 segment ids, R + 256 G + 65536 B; an alpha channel is left out.

    Raises DataError for a missing or damaged file and for any other kind of image.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DataError(f"{path} is {'damaged, or not an image' if path.is_file() else 'missing'}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise DataError(
            f"{path} has {pixels.dtype} pixels of shape {pixels.shape}, expected an RGB PNG with 8 bits per channel: "
            "a COCO panoptic image holds the segment id R + 256 G + 65536 B"
        )
    rgba = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGBA if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    ids = rgba.view("<u4")[..., 0]
    ids &= 0xFFFFFF
    return ids


def write_png(path: Path, image: np.ndarray) -> None:
    """Writes (H, W) or RGB (H, W, 3) uint8 without loss. Raises OSError if that fails."""
    if not cv2.imwrite(str(path), image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {path}: check that the folder is writable and the disk has room")


class CocoPanopticWriter:
    """Writes NAME_panoptic.png for every image added, and panoptic.json for all of them at the end.

    Category ids are the class ids, from 0; image ids count from 1.
    """

    def __init__(self, folder: Path, labels: LabelMap) -> None:
        self._folder = folder
        self._labels = labels
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, name: str, result: SegmentationResult) -> None:
        """Writes the PNG of one image. Raises InputError for a semantic result and OSError if writing fails."""
        if result.panoptic_map is None:
            raise InputError("COCO panoptic files need a panoptic result, this one is semantic: use the task panoptic")
        file_name = f"{name}_panoptic.png"
        write_png(self._folder / file_name, ids_to_rgb(result.panoptic_map))
        image_id = len(self._images) + 1
        height, width = result.panoptic_map.shape
        self._images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        segments_info = [_segment_info(segment) for segment in result.segments]
        self._annotations.append({"image_id": image_id, "file_name": file_name, "segments_info": segments_info})

    def finish(self) -> Path:
        """Writes panoptic.json and returns its path."""
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
        path.write_text(json.dumps(content) + "\n", encoding="utf-8")
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
