import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import CAR, ROAD, true_picture, write

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.evaluation.panoptic_files import Category, open_panoptic_files

PICTURE = true_picture(np.array([[1, 1, 2]]), {1: ROAD, 2: CAR})


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write(tmp_path, "gt", [PICTURE, PICTURE, PICTURE])


def change(path: Path, key: str, value: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


def annotations_of(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["annotations"]


def test_images_are_paired_by_id_in_any_order_and_with_any_names(tmp_path: Path, truth: Path) -> None:
    prediction = write(tmp_path, "pred", [PICTURE] * 3)
    renamed = [
        annotation | {"file_name": f"p{annotation['image_id']}.png"} for annotation in annotations_of(prediction)
    ]
    prediction.write_text(json.dumps({"annotations": [{**renamed[0], "image_id": 99}, *renamed[::-1]]}))
    files = open_panoptic_files(truth, prediction, pred_dir=tmp_path)
    assert [pair.gt_png for pair in files.pairs] == [tmp_path / "gt" / f"{i}.png" for i in (11, 12, 13)]
    assert [pair.pred_png for pair in files.pairs] == [tmp_path / f"p{i}.png" for i in (11, 12, 13)]
    assert [pair.photo for pair in files.pairs] == ["street11.jpg", "street12.jpg", "street13.jpg"]
    assert files.pairs[1].name == "image 12 (p12.png)"
    assert files.categories[:3] == (
        Category(7, "road", False, (128, 64, 128)),
        Category(90, "car", True, (0, 0, 142)),
        Category(3, "sky", False, None),
    )


def test_images_without_a_prediction_are_named(tmp_path: Path, truth: Path) -> None:
    prediction = write(tmp_path, "pred", [PICTURE])
    with pytest.raises(DataError, match=r"pred\.json has no prediction for 2 images: 12, 13"):
        open_panoptic_files(truth, prediction)


def test_missing_files_and_folders_are_named(tmp_path: Path, truth: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json does not exist; the nearest folder"):
        open_panoptic_files(truth, tmp_path / "none.json")
    (tmp_path / "bare.json").write_text('{"annotations": []}')
    with pytest.raises(DataError, match=r"no folder .*bare with the PNGs of .*bare\.json; pass --pred-dir"):
        open_panoptic_files(truth, tmp_path / "bare.json")


def test_malformed_files_are_rejected(tmp_path: Path, truth: Path) -> None:
    prediction = write(tmp_path, "pred", [PICTURE] * 3)
    change(prediction, "annotations", [{"image_id": 11}])
    with pytest.raises(DataError, match=r"no prediction for 2 images|KeyError\('file_name'\)"):
        open_panoptic_files(truth, prediction)
    change(truth, "categories", [{"id": [1], "name": "road", "isthing": 0}])
    with pytest.raises(DataError, match=r"malformed entry: .*the category id \[1\], expected a whole number"):
        open_panoptic_files(truth, prediction)
    prediction.write_text("[1")
    with pytest.raises(DataError, match=r"pred\.json cannot be read: "):
        open_panoptic_files(truth, prediction)
    prediction.write_text("[]")
    with pytest.raises(DataError, match=r"pred\.json is not in the COCO panoptic format: it has no list annotations"):
        open_panoptic_files(truth, prediction)


@pytest.mark.parametrize("number", [-1, 2**24, "7", 7.5, True])
@pytest.mark.parametrize("whose", ["ground truth", "prediction"])
def test_ids_that_no_png_holds_are_rejected(tmp_path: Path, truth: Path, whose: str, number: object) -> None:
    prediction = write(tmp_path, "pred", [PICTURE] * 3)
    file = truth if whose == "ground truth" else prediction
    annotations = annotations_of(file)
    annotations[1]["segments_info"][0]["id"] = number
    change(file, "annotations", annotations)
    message = f"the {whose} of image 12 has the segment id {number!r}, expected a whole number of 0 to 16777215"
    with pytest.raises(DataError, match=message):
        open_panoptic_files(truth, prediction)


def test_a_ground_truth_without_annotations_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no annotations to compare with"):
        open_panoptic_files(write(tmp_path, "gt", []), write(tmp_path, "pred", []))
