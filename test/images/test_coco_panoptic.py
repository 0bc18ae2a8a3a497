import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.images.coco_panoptic import CocoPanopticWriter, ids_to_rgb, read_ids
from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult

LABELS = LabelMap("two", (Label(0, "road", False, (128, 64, 128)), Label(1, "car", True, (0, 0, 142))))


def one_car(segment_id: int, height: int, width: int) -> SegmentationResult:
    """Return a car in the right half of the image and nothing in the left half."""
    panoptic_map = np.zeros((height, width), np.uint16)
    panoptic_map[:, width // 2 :] = segment_id
    box = (width // 2, 0, width, height)
    car = Segment(segment_id, 1, "car", True, 0.9, int((panoptic_map > 0).sum()), box, (0.0, 0.0))
    label_map = np.where(panoptic_map, 1, 255).astype(np.uint8)
    return SegmentationResult(label_map, np.full_like(label_map, 200), panoptic_map, (car,))


def test_ids_map_to_rgb() -> None:
    rgb = ids_to_rgb(np.array([[0, 1, 256, 65535, 3 + 5 * 256 + 7 * 65536]]))
    np.testing.assert_array_equal(rgb[0], [[0, 0, 0], [1, 0, 0], [0, 1, 0], [255, 255, 0], [3, 5, 7]])


def test_files_follow_the_coco_format(tmp_path: Path) -> None:
    writer = CocoPanopticWriter(tmp_path, LABELS)
    results = {"first": one_car(1, 4, 6), "second": one_car(700, 2, 10)}
    for name, result in results.items():
        writer.add(name, result)
    content = json.loads(writer.finish().read_text())
    assert [(image["id"], image["height"], image["width"]) for image in content["images"]] == [(1, 4, 6), (2, 2, 10)]
    for annotation, result in zip(content["annotations"], results.values(), strict=True):
        blue, green, red = cv2.split(cv2.imread(str(tmp_path / annotation["file_name"])).astype(int))
        ids = red + 256 * green + 65536 * blue
        np.testing.assert_array_equal(ids, result.panoptic_map)
        (info,) = annotation["segments_info"]
        rows, columns = np.nonzero(ids == info["id"])
        left, top, width, height = info["bbox"]
        assert (left, top, left + width, top + height) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert (info["area"], info["category_id"], info["iscrowd"], info["score"]) == (len(rows), 1, 0, 0.9)
    assert [annotation["image_id"] for annotation in content["annotations"]] == [1, 2]
    assert content["categories"] == [
        {"id": 0, "name": "road", "isthing": 0, "supercategory": "stuff", "color": [128, 64, 128]},
        {"id": 1, "name": "car", "isthing": 1, "supercategory": "thing", "color": [0, 0, 142]},
    ]


def test_semantic_results_are_rejected(tmp_path: Path) -> None:
    label_map = np.zeros((2, 2), np.uint8)
    with pytest.raises(InputError, match="use the task panoptic"):
        CocoPanopticWriter(tmp_path, LABELS).add("a", SegmentationResult(label_map, label_map))


@pytest.mark.parametrize("alpha", [False, True])
def test_ids_round_trip(tmp_path: Path, alpha: bool) -> None:
    ids = np.random.default_rng(0).integers(0, 2**24, (5, 7))
    rgb = ids_to_rgb(ids)
    write_image(tmp_path / "ids.png", rgb)
    if alpha:
        cv2.imwrite(str(tmp_path / "ids.png"), np.dstack([rgb[..., ::-1], np.full(ids.shape, 77, np.uint8)]))
    np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), ids)


def test_files_without_ids_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.png cannot be read: No such file"):
        read_ids(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(DataError, match="corrupt or not an image"):
        read_ids(tmp_path / "text.png")
    write_image(tmp_path / "grey.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(DataError, match=r"uint8 pixels of shape \(4, 6\), expected an RGB PNG with 8 bits"):
        read_ids(tmp_path / "grey.png")
    cv2.imwrite(str(tmp_path / "deep.png"), np.zeros((4, 6, 3), np.uint16))
    with pytest.raises(DataError, match="uint16 pixels"):
        read_ids(tmp_path / "deep.png")
