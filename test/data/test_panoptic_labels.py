import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bisenetformer_ros.data.labeled_images import LabeledImages
from bisenetformer_ros.data.panoptic_labels import in_folder, open_coco_panoptic
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.labels import LabelMap

GRASS, DOG, TOY = 21, 7, 90  # category ids, in no order
LABELS = LabelMap.from_dict(
    {
        "name": "yard",
        "labels": [
            {"name": "grass", "is_thing": False, "color": [0, 200, 0]},
            {"name": "dog", "is_thing": True, "color": [90, 60, 0]},
        ],
    }
)
CATEGORIES = [
    {"id": GRASS, "name": "grass", "isthing": 0, "color": [1, 2, 3]},
    {"id": DOG, "name": "dog", "isthing": 1, "color": [4, 5, 6]},
]
FIRST_DOG, PACK, LAWN, SHADE = 5, 1000, 70000, 2**24 - 1  # segment ids, up to the last that three bytes hold


def ids() -> np.ndarray:
    """A lawn in two segments, a dog, a pack of dogs, a column of nothing."""
    ids = np.full((64, 128), LAWN, np.int64)
    ids[:, 100:] = SHADE
    ids[10:30, 20:40] = FIRST_DOG
    ids[40:60, 20:90] = PACK
    ids[:, 0] = 0
    return ids


def as_png(ids: np.ndarray) -> np.ndarray:
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)


def content() -> dict[str, Any]:
    """Two images whose PNGs are matched by image id, not by order or file name."""
    segments = [
        {"id": LAWN, "category_id": GRASS, "iscrowd": 0},
        {"id": SHADE, "category_id": GRASS, "iscrowd": 0},
        {"id": FIRST_DOG, "category_id": DOG, "iscrowd": 0},
        {"id": PACK, "category_id": DOG, "iscrowd": 1},
    ]
    return {
        "images": [
            {"id": 31, "file_name": "b.jpg", "width": 128, "height": 64},
            {"id": 4, "file_name": "night/a.jpg", "width": 128, "height": 64},
            {"id": 5, "file_name": "not annotated.jpg", "width": 128, "height": 64},
        ],
        "annotations": [
            {"image_id": 4, "file_name": "one.png", "segments_info": segments[:1]},
            {"image_id": 31, "file_name": "two.png", "segments_info": segments},
        ],
        "categories": CATEGORIES,
    }


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    for path, grey in (("images/b.jpg", 200), ("images/night/a.jpg", 20)):
        write_images(tmp_path, {path: np.full((64, 128, 3), grey, np.uint8)})
    write_images(tmp_path, {"pngs/one.png": as_png(np.full((64, 128), LAWN)), "pngs/two.png": as_png(ids())})
    return tmp_path


def open_set(root: Path, content: object, labels: LabelMap | str = LABELS, **options: Any) -> LabeledImages:
    (root / "set.json").write_text(json.dumps(content), encoding="utf-8")
    return open_coco_panoptic(root / "set.json", root / "pngs", in_folder(root / "images"), labels, **options)


def test_images_and_segments_are_matched_by_image_id(root: Path) -> None:
    dataset = open_set(root, content())
    night, day = dataset
    assert dataset.problems == ()
    assert (night.name, day.name) == ("night/a", "b")
    assert (night.rgb.mean(), day.rgb.mean()) == (20, 200)
    assert np.unique(night.label_map).tolist() == [0]


def test_frames_are_in_the_order_of_their_video(root: Path, write_images: Callable) -> None:
    """Those of one video together, whatever the order of the lists."""
    frames = [("a", 9, 2), ("b", 3, 7), ("c", 9, 1), ("d", 3, 5)]
    images = [
        {"id": number, "file_name": f"{name}.jpg", "video_id": video, "frame_id": frame_id}
        for number, (name, video, frame_id) in enumerate(frames)
    ]
    annotations = [
        {"image_id": number, "file_name": f"{name}.png", "segments_info": [{"id": LAWN, "category_id": GRASS}]}
        for number, (name, *_) in enumerate(frames)
    ]
    for name, *_ in frames:
        write_images(root, {f"images/{name}.jpg": np.zeros((64, 128, 3), np.uint8)})
        write_images(root, {f"pngs/{name}.png": as_png(np.full((64, 128), LAWN))})
    videos = {"images": images, "annotations": annotations[::-1], "categories": CATEGORIES}
    assert [(sample.name, sample.video) for sample in open_set(root, videos)] == [
        ("c", "9"),
        ("a", "9"),
        ("d", "3"),
        ("b", "3"),
    ]
    for image in images:
        del image["frame_id"]
    assert [sample.name for sample in open_set(root, videos)] == ["a", "c", "b", "d"]


def test_images_without_a_video_have_none(root: Path) -> None:
    assert [sample.video for sample in open_set(root, content())] == ["", ""]


def test_segments_become_classes_instances_and_crowds(root: Path) -> None:
    sample = open_set(root, content())[1]
    label_map, instance_map = np.zeros((64, 128), int), np.zeros((64, 128), int)
    label_map[10:30, 20:40] = label_map[40:60, 20:90] = 1
    label_map[:, 0] = 255
    instance_map[10:30, 20:40], instance_map[40:60, 20:90] = FIRST_DOG, -PACK
    np.testing.assert_array_equal(sample.label_map, label_map)
    np.testing.assert_array_equal(sample.instance_map, instance_map)
    assert (sample.label_map.dtype, sample.instance_map.dtype) == (np.uint8, np.int32)


def test_categories_are_the_default_labels(root: Path) -> None:
    dataset = open_set(root, content(), labels="garden")
    assert [(label.name, label.is_thing, label.color) for label in dataset.labels] == [
        ("dog", True, (4, 5, 6)),
        ("grass", False, (1, 2, 3)),
    ]
    assert dataset.labels.name == "garden"
    np.testing.assert_array_equal(dataset[0].label_map, 1)


def test_categories_can_be_assigned_and_ignored(root: Path) -> None:
    toys = content()
    toys["categories"] = [*CATEGORIES, {"id": TOY, "name": "toy", "isthing": 1}]
    toys["annotations"][1]["segments_info"][3]["category_id"] = TOY
    with pytest.raises(ConfigError, match=r"not in the label map yard: 90 toy; assign .* values: \{7: road"):
        open_set(root, toys)
    sample = open_set(root, toys, class_of={GRASS: 0, DOG: 1, TOY: 255})[1]
    assert sample.label_map[50, 50] == 255
    assert sample.instance_map[50, 50] == 0


def test_unlisted_ids_are_rejected(root: Path, write_images: Callable) -> None:
    strange = ids()
    strange[5, 5:8] = 77, 78, 77
    write_images(root, {"pngs/two.png": as_png(strange)})
    with pytest.raises(DataError, match=r"two.png has the ids 77, 78, which are not in the JSON"):
        open_set(root, content())[1]


def test_segments_without_pixels_are_an_oddity(root: Path, write_images: Callable) -> None:
    write_images(root, {"pngs/two.png": as_png(np.where(ids() == FIRST_DOG, LAWN, ids()))})
    image = open_set(root, content()).images[1]
    image.read()
    (oddity,) = image.find_oddities()
    assert oddity.endswith("two.png lacks the ids 5, which the JSON lists")


def change(path: list[Any], value: Any) -> dict[str, Any]:
    changed = content()
    target = changed
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (change(["images", 0, "id"], 4), "set.json: several images have the id 4"),
        (change(["annotations"], []), "set.json has no annotations"),
        (change(["annotations", 0, "image_id"], 31), "set.json: several annotations have the image id 31"),
        (
            change(["annotations", 0, "image_id"], 9),
            "set.json: annotations refer to the missing image id 9",
        ),
        (change(["annotations", 0, "file_name"], "x.png"), "lists 1 missing file, 1 in .*pngs: .*x.png"),
        (change(["images", 0, "file_name"], "by day/b.jpg"), r"1 in .*by day \(no such folder\): .*by day/b.jpg"),
        (change(["annotations", 1, "segments_info", 0, "category_id"], 8), "two.png: .* unknown category ids 8"),
        *(
            (
                change(["annotations", 1, "segments_info", 0, "id"], number),
                f"two.png: .*set.json gives it the segment id {number!r}, expected a whole number of 0 to 16777215",
            )
            for number in (-1, 2**24, 10**400, "7", 7.5, 7.0, True, None)
        ),
        (
            change(["annotations", 1, "segments_info", 0, "category_id"], [1]),
            r"two.png: .*the category id \[1\], expected a whole number",
        ),
        (
            change(["annotations", 1, "segments_info", 0, "area"], "many"),
            "two.png: .*the area 'many', expected a number",
        ),
    ],
)
def test_contradictions_are_reported(root: Path, changed: dict[str, Any], problem: str) -> None:
    problems = open_set(root, changed).problems
    assert any(re.search(problem, text) for text in problems), problems


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            [],
            " is not in the COCO panoptic format: it has no list images and no list annotations and no list categories",
        ),
        ({"images": [], "annotations": []}, " is not in the COCO panoptic format: it has no list categories$"),
        (change(["annotations", 0], {"image_id": 4}), ": invalid entry .*KeyError.*file_name"),
        (change(["images", 0], "b.jpg"), ": invalid entry .*; expected the COCO panoptic format"),
        (change(["images", 0, "file_name"], ""), ": invalid entry .*; expected the COCO panoptic format"),
        (change(["annotations", 1, "segments_info", 0], 7), ": invalid entry .*; expected the COCO panoptic format"),
    ],
)
def test_other_json_files_are_rejected(root: Path, changed: object, message: str) -> None:
    with pytest.raises(DataError, match=f"set.json{message}"):
        open_set(root, changed)


def test_duplicate_ids_are_rejected(root: Path) -> None:
    twice = open_set(root, change(["annotations", 1, "segments_info", 0, "id"], SHADE))
    with pytest.raises(DataError, match=r"two.png: its 4 segments in the JSON have 3 distinct ids above 0"):
        twice[1]


@pytest.mark.parametrize("text", ["{", "\xff"], ids=["cut", "binary"])
def test_a_corrupt_json_is_named(root: Path, text: str) -> None:
    (root / "set.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"set.json cannot be read"):
        open_coco_panoptic(root / "set.json", root / "pngs", in_folder(root / "images"), LABELS)


def test_a_missing_json_is_reported_with_the_nearest_folder(root: Path) -> None:
    with pytest.raises(
        DataError, match=f"a/b/set.json does not exist; the nearest .* {root}, which contains images/, pngs/$"
    ):
        open_coco_panoptic(root / "a" / "b" / "set.json", root / "pngs", in_folder(root / "images"), LABELS)
