"""Ground truths and predictions in the COCO panoptic format, written for a test."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CATEGORIES = [
    {"id": 7, "name": "road", "isthing": 0, "color": [128, 64, 128]},
    {"id": 90, "name": "car", "isthing": 1, "color": [0, 0, 142]},
    {"id": 3, "name": "sky", "isthing": 0},
    {"id": 1000, "name": "person", "isthing": 1, "color": [220, 20, 60]},
]
ROAD, CAR, SKY, PERSON = (category["id"] for category in CATEGORIES)


@dataclass
class Picture:
    """ids: (H, W), written as a PNG. segments: entries of segments_info."""

    ids: np.ndarray
    segments: list[dict[str, Any]] = field(default_factory=list)


def segment(segment_id: int, category: int, **more: Any) -> dict[str, Any]:
    return {"id": segment_id, "category_id": category, **more}


def true_picture(ids: np.ndarray, categories: dict[int, int], crowds: Sequence[int] = ()) -> Picture:
    """With the areas that are there and iscrowd, as the format has it."""
    segments = [segment(i, c, area=int((ids == i).sum()), iscrowd=int(i in crowds)) for i, c in categories.items()]
    return Picture(ids, segments)


def predicted_picture(ids: np.ndarray, categories: dict[int, int]) -> Picture:
    return Picture(ids, [segment(i, c) for i, c in categories.items()])


def write(folder: Path, name: str, pictures: Sequence[Picture]) -> Path:
    """NAME.json, and NAME/ with the PNGs. Image ids are 11, 12, … Returns the path of the JSON file."""
    (folder / name).mkdir(parents=True)
    annotations = []
    for image_id, picture in enumerate(pictures, start=11):
        blue_green_red = [picture.ids >> shift & 255 for shift in (16, 8, 0)]
        cv2.imwrite(str(folder / name / f"{image_id}.png"), np.stack(blue_green_red, axis=-1).astype(np.uint8))
        annotations.append({"image_id": image_id, "file_name": f"{image_id}.png", "segments_info": picture.segments})
    images = [
        {"id": annotation["image_id"], "file_name": f"street{annotation['image_id']}.jpg"} for annotation in annotations
    ]
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def random_pictures(rng: np.random.Generator, height: int = 96, width: int = 128) -> tuple[Picture, Picture]:
    """Blocks of segments with void and crowds, often several of one category; a prediction that is partly right."""
    ids = np.unique(rng.integers(1, 2**24, 40))[:12]
    values = np.r_[0, ids]
    blocks = values[rng.integers(0, len(values), (8, 8))]
    truth = np.kron(blocks, np.ones((height // 8, width // 8), int))
    categories = {
        int(i): int(rng.choice([ROAD, CAR, SKY, PERSON])) for i in rng.permutation(np.unique(truth[truth > 0]))
    }
    crowds = [i for i in categories if rng.random() < 0.3]

    found = np.roll(truth, rng.integers(-4, 5, 2), axis=(0, 1))
    noise = np.kron(values[rng.integers(0, len(values), (16, 16))], np.ones((height // 16, width // 16), int))
    found = np.where(
        rng.random() * np.kron(rng.random((16, 16)), np.ones((height // 16, width // 16))) > 0.35, noise, found
    )
    renamed = np.r_[0, np.unique(rng.integers(1, 2**24, 40))[:12]]
    found = renamed[np.searchsorted(values, found)]
    names = dict(zip(renamed.tolist(), values.tolist(), strict=True))
    listed = [i for i in np.unique(found).tolist() if i > 0 or rng.random() < 0.3]  # 0 may be a segment, too
    guesses = {i: categories.get(names[i], CAR) if rng.random() < 0.8 else int(rng.choice([ROAD, SKY])) for i in listed}
    return true_picture(truth, categories, crowds), predicted_picture(found, guesses)
