"""Files of a ground truth and a prediction in the COCO panoptic format."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bisenetformer_ros.data.panoptic_labels import find_segment_faults, read_coco_json
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.numbers import first_of


@dataclass(frozen=True)
class Category:
    """An entry of "categories"; the id is any integer, the color R, G, B of 0..255 or None if the file has none."""

    id: int
    name: str
    is_thing: bool
    color: tuple[int, int, int] | None


@dataclass(frozen=True)
class ImagePair:
    """An image of the ground truth and its prediction.

    Attributes:
        name: For messages.
        photo: File name of the image itself, without folder; "" if unknown.
        gt_png, pred_png: Segment ids.
        gt_segments, pred_segments: Entries of "segments_info" by id.
    """

    name: str
    photo: str
    gt_png: Path
    pred_png: Path
    gt_segments: Mapping[int, Mapping[str, Any]]
    pred_segments: Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class PanopticFiles:
    """A ground truth and a prediction. The categories are those of the ground truth, in the order of its file."""

    gt_json: Path
    pred_json: Path
    categories: tuple[Category, ...]
    pairs: tuple[ImagePair, ...]


def open_panoptic_files(
    gt_json: Path, pred_json: Path, gt_dir: Path | None = None, pred_dir: Path | None = None
) -> PanopticFiles:
    """Pair ground truth and prediction by image id. Predictions of other images are ignored.

    Args:
        gt_json: Ground truth.
        pred_json: Prediction.
        gt_dir: PNGs of the ground truth; default: the path of its JSON file without .json.
        pred_dir: PNGs of the prediction; default: the path of its JSON file without .json.

    Raises:
        DataError: A file is missing or malformed, or an image has no prediction.
    """
    truth, prediction = (
        read_coco_json(gt_json, ("categories", "annotations")),
        read_coco_json(pred_json, ("annotations",)),
    )
    gt_dir, pred_dir = gt_dir or gt_json.with_suffix(""), pred_dir or pred_json.with_suffix("")
    for folder, json_path, option in ((gt_dir, gt_json, "--gt-dir"), (pred_dir, pred_json, "--pred-dir")):
        if not folder.is_dir():
            raise DataError(f"no folder {folder} with the PNGs of {json_path}; pass {option}")
    try:
        categories = tuple(_category(entry) for entry in truth["categories"])
        predicted = {annotation["image_id"]: annotation for annotation in prediction["annotations"]}
        wanted = [annotation["image_id"] for annotation in truth["annotations"]]
        without = [image_id for image_id in wanted if image_id not in predicted]
        if without:
            raise DataError(f"{pred_json} has no prediction for {len(without)} images: {first_of(without)}")
        photos = {entry["id"]: Path(entry["file_name"]).name for entry in truth.get("images", ())}
        pairs = tuple(
            _pair(annotation, predicted[annotation["image_id"]], gt_dir, pred_dir, photos)
            for annotation in truth["annotations"]
        )
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        raise DataError(f"{gt_json} or {pred_json}: malformed entry: {error!r}") from error
    if not pairs:
        raise DataError(f"{gt_json} has no annotations to compare with")
    return PanopticFiles(gt_json, pred_json, categories, pairs)


def _pair(
    truth: Mapping[str, Any], prediction: Mapping[str, Any], gt_dir: Path, pred_dir: Path, photos: Mapping[Any, str]
) -> ImagePair:
    for whose, annotation in (("ground truth", truth), ("prediction", prediction)):
        if faults := find_segment_faults(annotation["segments_info"]):
            raise DataError(f"the {whose} of image {truth['image_id']} has {first_of(faults)}")
    return ImagePair(
        name=f"image {truth['image_id']} ({prediction['file_name']})",
        photo=photos.get(truth["image_id"], ""),
        gt_png=gt_dir / truth["file_name"],
        pred_png=pred_dir / prediction["file_name"],
        gt_segments={segment["id"]: segment for segment in truth["segments_info"]},
        pred_segments={segment["id"]: segment for segment in prediction["segments_info"]},
    )


def _category(entry: Mapping[str, Any]) -> Category:
    if not isinstance(entry["id"], int):
        raise TypeError(f"the category id {entry['id']!r}, expected a whole number")
    color = entry.get("color")
    return Category(
        entry["id"],
        str(entry.get("name", entry["id"])),
        entry["isthing"] == 1,
        None if color is None else (int(color[0]), int(color[1]), int(color[2])),
    )
