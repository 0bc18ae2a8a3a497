"""Data sets in the COCO panoptic format: one JSON file of segments, and a PNG of segment ids per image."""

import math
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.data.file_search import state_of
from bisenetformer_ros.data.labeled_images import LabeledImage, LabeledImages
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.images.coco_panoptic import MAX_ID, read_ids
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import counted, first_of
from bisenetformer_ros.results import UNLABELED
from bisenetformer_ros.text_files import read_json

_VOID = 0


def open_coco_panoptic(
    json_path: Path,
    png_folder: Path,
    locate: Callable[[Mapping[str, Any]], tuple[str, Path]],
    labels: LabelMap | str,
    class_of: Mapping[int, int] | None = None,
) -> LabeledImages:
    """Open a data set; images and segments are matched by image id.

    An image with a `video_id` is a frame of that video, in the order of `frame_id`, or else of the list "images". In a
    video, things keep their segment ids.

    Args:
        json_path: The JSON file.
        png_folder: Folder of the PNGs.
        locate: Converts an entry of "images" to the name and the path of the image.
        labels: The classes, or the name of a label map to build from the categories.
        class_of: Category id → class id, 255 = ignore. By default, the class of the same name.

    Raises:
        DataError: The JSON file is missing or has another format.
        ConfigError: A category has no class.
    """
    content = read_coco_json(json_path, ("images", "annotations", "categories"))
    entry: Any = content["categories"]
    try:
        if isinstance(labels, str):
            labels = LabelMap.from_categories(content["categories"], labels)
        class_of = class_of or _classes_by_name(content["categories"], labels, json_path)
        files = {}
        first: dict[str, int] = {}  # video → position of the first image that is listed of it
        for position, entry in enumerate(content["images"]):
            video = str(entry.get("video_id", ""))
            place = (first.setdefault(video, position), entry.get("frame_id", position)) if video else (-1, 0)
            files[entry["id"]] = (*locate(entry), video, place)
        problems = _find_contradictions(content, json_path)
        placed, missing = [], []
        for entry in content["annotations"]:
            png, segments = png_folder / entry["file_name"], entry["segments_info"]
            if faults := find_segment_faults(segments):
                problems.append(f"{png}: {json_path} gives it {first_of(faults)}")
                continue
            strange = {segment["category_id"] for segment in segments} - class_of.keys()
            if strange:
                problems.append(f"{png}: {json_path} gives it the unknown category ids {first_of(sorted(strange))}")
            elif entry["image_id"] in files:
                name, path, video, place = files[entry["image_id"]]
                absent = [file for file in (path, png) if not file.is_file()]
                missing += absent
                read_labels = partial(read_segments, png, segments, class_of, labels.thing_ids)
                image = LabeledImage(name, path, read_labels, partial(find_absent_segments, png, segments), video)
                placed += [] if absent else [(place, image)]
        placed.sort(key=itemgetter(0))
    except ConfigError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        at = f"invalid entry {reprlib.repr(entry)} ({error!r})"
        raise DataError(f"{json_path}: {at}; expected the COCO panoptic format") from error
    if missing:
        problems.append(_describe_missing(missing, json_path))
    if not content["annotations"]:
        problems.append(f"{json_path} has no annotations")
    return LabeledImages(labels, [image for _, image in placed], has_instances=True, problems=problems)


def in_folder(folder: Path) -> Callable[[Mapping[str, Any]], tuple[str, Path]]:
    """Locate images by their file names in a folder."""
    return lambda entry: (Path(entry["file_name"]).with_suffix("").as_posix(), folder / entry["file_name"])


def read_coco_json(path: Path, lists: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Read a file in the COCO panoptic format.

    Args:
        path: The JSON file.
        lists: Keys that must hold lists, such as "annotations".

    Raises:
        DataError: The file is missing or corrupt, or lacks one of the lists.
    """
    if not path.exists():
        nearest = next(folder for folder in path.absolute().parents if folder.is_dir())
        raise DataError(f"{path} does not exist; the nearest folder is {nearest}{state_of(nearest)}")
    content = read_json(path)
    missing = [key for key in lists if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if missing:
        raise DataError(f"{path} is not in the COCO panoptic format: it has no list {' and no list '.join(missing)}")
    return content


def find_segment_faults(segments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Describe the values in "segments_info" that are of the wrong kind or outside of their range."""
    faults = []
    for segment in segments:
        number, category, area = segment["id"], segment["category_id"], segment.get("area", 0)
        if type(number) is not int or not 0 <= number <= MAX_ID:  # a bool is an int
            faults.append(f"the segment id {number!r}, expected a whole number of 0 to {MAX_ID}")
        if not isinstance(category, (int, str)):
            faults.append(f"the category id {category!r}, expected a whole number")
        if not isinstance(area, (int, float)) or not 0 <= area < math.inf:
            faults.append(f"the area {area!r}, expected a number of pixels")
    return faults


def read_segments(
    png: Path, segments: Sequence[Mapping[str, Any]], class_of: Mapping[int, int], thing_ids: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Read one PNG.

    Args:
        png: Segment ids.
        segments: Entries of "segments_info".
        class_of: Category id → class id, 255 = ignore.
        thing_ids: Class ids of the things.

    Returns:
        The label map and the instance map of a `Sample`. Instances keep their segment ids, crowds have negative ones.

    Raises:
        DataError: The PNG contains ids that are not in `segments`.
    """
    listed, position = _read_positions(png, segments)
    classes = np.full(len(listed), UNLABELED, np.uint8)
    instances = np.zeros(len(listed), np.int32)
    for segment in segments:
        index = np.searchsorted(listed, segment["id"])
        classes[index] = class_of[segment["category_id"]]
        if classes[index] in thing_ids:
            instances[index] = -segment["id"] if segment.get("iscrowd") else segment["id"]
    return classes[position], instances[position]


def find_absent_segments(png: Path, segments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Report segments without pixels. Mask2Former's preparation of ADE20K leaves some: things cover them completely."""
    listed, position = _read_positions(png, segments)
    absent = listed[1:][np.bincount(position.ravel(), minlength=len(listed))[1:] == 0]
    return [f"{png} lacks the ids {first_of(absent.tolist())}, which the JSON lists"] if absent.size else []


def _read_positions(png: Path, segments: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of void and of the segments, ascending, and the position of each pixel's id among them."""
    id_map = read_ids(png)
    listed = np.array(sorted({_VOID, *(segment["id"] for segment in segments)}), np.uint32)
    if len(listed) != len(segments) + 1:
        raise DataError(f"{png}: its {len(segments)} segments in the JSON have {len(listed) - 1} distinct ids above 0")
    position = np.minimum(np.searchsorted(listed, id_map), len(listed) - 1)
    strange = np.unique(id_map[listed[position] != id_map])
    if strange.size:
        raise DataError(f"{png} has the ids {first_of(strange.tolist())}, which are not in the JSON")
    return listed, position


def _classes_by_name(categories: Sequence[Mapping[str, Any]], labels: LabelMap, json_path: Path) -> dict[int, int]:
    class_ids = {label.name: label.id for label in labels}
    strange = [f"{category['id']} {category['name']}" for category in categories if category["name"] not in class_ids]
    if strange:
        raise ConfigError(
            f"{json_path} has categories that are not in the label map {labels.name}: {first_of(strange)}; assign "
            "a class or ignore to each category id, as in values: {7: road, 8: ignore}"
        )
    return {category["id"]: class_ids[category["name"]] for category in categories}


def _find_contradictions(content: Mapping[str, Any], json_path: Path) -> list[str]:
    """Find duplicate and dangling image ids."""
    image_ids = Counter(entry["id"] for entry in content["images"])
    annotated = Counter(annotation["image_id"] for annotation in content["annotations"])
    findings = {
        "several images have the id": [image_id for image_id, count in image_ids.items() if count > 1],
        "several annotations have the image id": [image_id for image_id, count in annotated.items() if count > 1],
        "annotations refer to the missing image id": [image_id for image_id in annotated if image_id not in image_ids],
    }
    return [f"{json_path}: {finding} {first_of(ids)}" for finding, ids in findings.items() if ids]


def _describe_missing(files: Sequence[Path], json_path: Path) -> str:
    folders = Counter(path.parent for path in files)
    counts = [
        f"{count} in {folder}{'' if folder.is_dir() else ' (no such folder)'}" for folder, count in folders.items()
    ]
    return f"{json_path} lists {counted(len(files), 'missing file')}, {first_of(counts)}: {first_of(files)}"
