import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bisenetformer_ros.data.ade20k import open_ade20k, open_ade20k_panoptic
from bisenetformer_ros.data.sample import Sample, panoptic_ground_truth
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.labels import LabelMap

WALL, FLOOR, BED, WINDOW, PERSON = 0, 3, 7, 8, 12
NTH_THING = {BED: 1, WINDOW: 2, PERSON: 4}  # objects of the instance track; the third is the cabinet

NAME = "ADE_val_00000001"


def label_png() -> np.ndarray:
    """A wall over a floor, a bed, a window, and a strip that nobody labelled."""
    values = np.full((64, 128), WALL + 1, np.uint8)
    values[40:] = FLOOR + 1
    values[30:50, 20:80] = BED + 1
    values[5:20, 90:110] = WINDOW + 1
    values[:, 124:] = 0
    return values


def instance_png() -> np.ndarray:
    """Two beds, one of which reaches over the wall, and a person on them; the window has no instance."""
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[30:50, 20:50] = NTH_THING[BED], 1, 0
    pixels[25:50, 50:80] = NTH_THING[BED], 2, 0
    pixels[28:40, 60:66] = NTH_THING[PERSON], 9, 0
    return pixels


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    for folder, name in (("validation", NAME), ("training", "ADE_train_00000001")):
        picture = np.full((64, 128, 3), (200, 100, 50), np.uint8)
        write_images(
            tmp_path, {f"images/{folder}/{name}.jpg": picture, f"annotations/{folder}/{name}.png": label_png()}
        )
        write_images(tmp_path, {f"annotations_instance/{folder}/{name}.png": instance_png()})
    return tmp_path


def prepare(root: Path, write_images: Callable) -> None:
    """The panoptic files of val; their category names are other synonyms than ours."""
    segments = {}
    ids = np.zeros((64, 128, 3), np.uint8)
    masks = [(WALL, label_png() == WALL + 1), (FLOOR, label_png() == FLOOR + 1)]
    masks += [(BED, instance_png()[..., 1] == 1), (BED, instance_png()[..., 1] == 2)]
    masks += [(PERSON, instance_png()[..., 1] == 9)]
    for number, (class_id, mask) in enumerate(masks, start=50):
        ids[mask] = (number, 1, 2)
        segments[number + 256 + 2 * 65536] = class_id
    write_images(root, {f"ade20k_panoptic_val/{NAME}.png": ids})
    content = {
        "images": [{"id": NAME, "file_name": f"{NAME}.jpg", "width": 128, "height": 64}],
        "annotations": [
            {
                "image_id": NAME,
                "file_name": f"{NAME}.png",
                "segments_info": [{"id": key, "category_id": value, "iscrowd": 0} for key, value in segments.items()],
            }
        ],
        "categories": [{"id": class_id, "name": f"synonym {class_id}", "isthing": 1} for class_id in range(150)],
    }
    (root / "ade20k_panoptic_val.json").write_text(json.dumps(content), encoding="utf-8")


def regions(sample: Sample, labels: LabelMap) -> set[tuple[int, bytes]]:
    """Class and mask of every segment."""
    segment_map, segments, crowd_ids = panoptic_ground_truth(sample.label_map, sample.instance_map, labels)
    assert not crowd_ids
    return {(class_id, (segment_map == segment).tobytes()) for segment, class_id in segments.items()}


def test_labels_count_from_one_and_zero_is_ignored(root: Path) -> None:
    dataset = open_ade20k(root, ("val",))
    sample = dataset[0]
    assert (sample.name, len(dataset.labels), dataset.has_instances) == (NAME, 150, False)
    expected = np.where(label_png() == 0, 255, label_png().astype(int) - 1)
    np.testing.assert_array_equal(sample.label_map, expected)
    assert len(np.unique(sample.instance_map[sample.label_map == BED])) == 1
    assert [image.name for image in open_ade20k(root, ("train", "val")).images] == ["ADE_train_00000001", NAME]


def test_instances_lie_over_the_stuff_of_the_labels(root: Path) -> None:
    dataset = open_ade20k_panoptic(root, ("val",))
    sample = dataset[0]
    expected = np.full((64, 128), WALL)
    expected[40:] = FLOOR
    expected[5:20, 90:110] = 255
    expected[:, 124:] = 255
    expected[30:50, 20:50] = BED
    expected[25:50, 50:80] = BED
    expected[28:40, 60:66] = PERSON
    np.testing.assert_array_equal(sample.label_map, expected)
    assert sorted(class_id for class_id, _ in regions(sample, dataset.labels)) == [WALL, FLOOR, BED, BED, PERSON]
    assert dataset.has_instances


def test_prepared_files_are_equivalent(root: Path, write_images: Callable) -> None:
    dataset = open_ade20k_panoptic(root, ("val",))
    raw = dataset[0]
    prepare(root, write_images)
    (root / "annotations_instance" / "validation" / f"{NAME}.png").unlink()
    prepared = open_ade20k_panoptic(root, ("val",))[0]
    np.testing.assert_array_equal(prepared.rgb, raw.rgb)
    np.testing.assert_array_equal(prepared.label_map, raw.label_map)
    assert regions(prepared, dataset.labels) == regions(raw, dataset.labels)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        (
            f"annotations/validation/{NAME}.png",
            "annotations/validation/{name}.png is missing for 1 of 1 names: ADE_val",
        ),
        (f"annotations_instance/validation/{NAME}.png", "annotations_instance/validation/{name}.png  0 found"),
    ],
)
def test_missing_files_are_reported(root: Path, removed: str, expected: str) -> None:
    (root / removed).unlink()
    (problem,) = open_ade20k_panoptic(root, ("val",)).problems
    assert expected in problem


def test_other_splits_and_values_are_rejected(root: Path, write_images: Callable) -> None:
    with pytest.raises(DataError, match="ADE20K has the splits train, val, not 'validation'"):
        open_ade20k(root, ("validation",))
    write_images(root, {f"annotations/validation/{NAME}.png": np.full((64, 128), 151, np.uint8)})
    with pytest.raises(DataError, match=r"has the values 151 \(8192 pixels\); expected 0, 1, .* and 139 more"):
        open_ade20k(root, ("val",))[0]
    write_images(root, {f"annotations_instance/validation/{NAME}.png": np.full((64, 128), 3, np.uint8)})
    with pytest.raises(DataError, match=r"annotations_instance.*expected colours whose red is at most 100"):
        open_ade20k_panoptic(root, ("val",))[0]


def test_things_are_those_of_the_instance_track() -> None:
    """Mask2Former's ade20k_instance_catid_mapping.txt, which counts from 1, leaves out 50 classes."""
    left_out = [1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 17, 18, 22, 26, 27, 29, 30, 35, 41, 47, 49, 52, 53, 55, 60]
    left_out += [61, 62, 64, 69, 78, 80, 85, 92, 95, 97, 100, 101, 102, 106, 107, 110, 114, 115, 118, 123]
    left_out += [129, 132, 141, 142, 146]
    things = LabelMap.load("ade20k150").thing_ids
    assert [class_id + 1 for class_id in range(150) if class_id not in things] == left_out
    assert {position: things[position - 1] + 1 for position in (1, 5, 18, 57, 100)} == {
        1: 8,
        5: 15,
        18: 36,
        57: 89,
        100: 150,
    }
