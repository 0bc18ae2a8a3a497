"""Ground truth and prediction in the COCO panoptic format, as they lie on disk: what is to be compared with what."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bisenetformer_ros.data.file_search import first_of
from bisenetformer_ros.data.panoptic_labels import read_json
from bisenetformer_ros.errors import DataError


@dataclass(frozen=True)
class Category:
    """An entry of "categories". id: any integer. color: R, G, B in 0..255, None if the file has none."""

    id: int
    name: str
    is_thing: bool
    color: tuple[int, int, int] | None


@dataclass(frozen=True)
class ImagePair:
    """One image of the ground truth with its prediction.

    name: for messages. photo: its file name without folder, "" if the file does not say.
    *_segments: the entries of "segments_info" by id.
    """

    name: str
    photo: str
    gt_png: Path
    pred_png: Path
    gt_segments: Mapping[int, Mapping[str, Any]]
    pred_segments: Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class PanopticFiles:
    """categories: those of the ground truth, in the order of its file."""

    gt_json: Path
    pred_json: Path
    categories: tuple[Category, ...]
    pairs: tuple[ImagePair, ...]


def open_panoptic_files(
    gt_json: Path, pred_json: Path, gt_dir: Path | None = None, pred_dir: Path | None = None
) -> PanopticFiles:
    """Joins the two by image id; predictions of other images are left out.

    gt_dir, pred_dir: the PNGs; by default the folder beside the JSON file with its name, without .json.
    Raises DataError for files that are missing or not of the format, and for images without a prediction.
    """
    truth, prediction = read_json(gt_json, ("categories", "annotations")), read_json(pred_json, ("annotations",))
    gt_dir, pred_dir = gt_dir or gt_json.with_suffix(""), pred_dir or pred_json.with_suffix("")
    for folder, json_path in ((gt_dir, gt_json), (pred_dir, pred_json)):
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder} with the PNGs of {json_path}: name it explicitly")
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
    except (KeyError, TypeError) as error:
        raise DataError(f"{gt_json} or {pred_json}: an entry is not as the format has it: {error!r}") from error
    if not pairs:
        raise DataError(f"{gt_json} has no annotations: there is nothing to compare with")
    return PanopticFiles(gt_json, pred_json, categories, pairs)


def _pair(
    truth: Mapping[str, Any], prediction: Mapping[str, Any], gt_dir: Path, pred_dir: Path, photos: Mapping[Any, str]
) -> ImagePair:
    return ImagePair(
        name=f"image {truth['image_id']} ({prediction['file_name']})",
        photo=photos.get(truth["image_id"], ""),
        gt_png=gt_dir / truth["file_name"],
        pred_png=pred_dir / prediction["file_name"],
        gt_segments={segment["id"]: segment for segment in truth["segments_info"]},
        pred_segments={segment["id"]: segment for segment in prediction["segments_info"]},
    )


def _category(entry: Mapping[str, Any]) -> Category:
    color = entry.get("color")
    return Category(
        entry["id"],
        str(entry.get("name", entry["id"])),
        entry["isthing"] == 1,
        None if color is None else (int(color[0]), int(color[1]), int(color[2])),
    )
