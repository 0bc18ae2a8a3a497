import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bisenetformer_ros.data.catalog import open_dataset
from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError, DataError
from bisenetformer_ros.labels import LabelMap

GRASS = {"name": "grass", "is_thing": False, "color": [0, 200, 0]}
DOG = {"name": "dog", "is_thing": True, "color": [90, 60, 0]}
YARD = {
    "labels": [GRASS, DOG],
    "images": "images/{split}/{name}.jpg",
    "label_images": "labels/{split}/{name}_L.png",
    "splits": ["train", "val"],
}


def classes() -> np.ndarray:
    """Grass with two dogs that touch, and a strip that is to be ignored."""
    label_map = np.zeros((64, 128), np.uint8)
    label_map[10:30, 20:60] = 1
    label_map[60:] = 255
    return label_map


def numbers() -> np.ndarray:
    """The dogs one by one; the grass has a number too, which means nothing."""
    instances = np.full((64, 128), 9, np.uint16)
    instances[10:30, 20:40], instances[10:30, 40:60] = 1, 300
    return instances


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    """One picture in val, two in train."""
    for name in ("val/c", "train/b", "train/a"):
        write_images(
            tmp_path, {f"images/{name}.jpg": np.full((64, 128, 3), 90, np.uint8), f"labels/{name}_L.png": classes()}
        )
    return tmp_path


def write(root: Path, content: object) -> str:
    (root / "yard.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(root / "yard.yaml")


def test_folders_are_splits_and_values_are_classes(root: Path) -> None:
    dataset = open_dataset(write(root, YARD), splits=["val", "train"])
    assert [sample.name for sample in dataset] == ["c", "a", "b"]
    np.testing.assert_array_equal(dataset[0].label_map, classes())
    assert (dataset.labels.name, [label.name for label in dataset.labels]) == ("yard", ["grass", "dog"])
    assert dataset.labels == LabelMap.load(root / "yard.yaml"), "a recipe takes the label map from the same file"


def test_without_instance_images_touching_things_are_one(root: Path) -> None:
    dataset = open_dataset(write(root, YARD))
    assert np.unique(dataset[0].instance_map).tolist() == [0, 1]
    assert not dataset.has_instances


@pytest.mark.parametrize("as_colors", [False, True])
def test_instance_images_number_the_things(root: Path, write_images: Callable, as_colors: bool) -> None:
    values = numbers()
    image = np.stack([values % 256, values // 256, 0 * values], axis=2).astype(np.uint8) if as_colors else values
    write_images(root, {f"numbers/{name}.png": image for name in ("train/a", "train/b")})
    dataset = open_dataset(write(root, {**YARD, "instance_images": "numbers/{split}/{name}.png"}), splits=["train"])
    dogs = dataset[0].label_map == 1
    np.testing.assert_array_equal(dataset[0].instance_map[dogs], numbers()[dogs])
    assert dataset.has_instances


def test_values_are_assigned_to_classes(root: Path, write_images: Callable) -> None:
    values = np.full((64, 128), 7, np.uint8)
    values[:5], values[5:9], values[9:12] = 40, 41, 0
    write_images(root, {"labels/val/c_L.png": values})
    assignment = {7: "grass", 40: "dog", 41: "dog", 0: "ignore"}
    sample = open_dataset(write(root, {**YARD, "values": assignment}), splits=["val"])[0]
    assert sample.label_map[[0, 6, 10, 20], 0].tolist() == [1, 1, 255, 0]


def test_values_can_be_colours(root: Path, write_images: Callable) -> None:
    colors = np.array([[0, 200, 0], [90, 60, 0], [0, 0, 0]], np.uint8)
    write_images(root, {"labels/val/c_L.png": colors[np.minimum(classes(), 2)]})
    assignment = {"#00c800": "grass", "#5A3C00": "dog", "#000000": "ignore"}
    sample = open_dataset(write(root, {**YARD, "values": assignment}), splits=["val"])[0]
    np.testing.assert_array_equal(sample.label_map, classes())


def test_text_files_can_list_the_splits(root: Path) -> None:
    (root / "all.txt").write_text("train/b\n\nval/c\n", encoding="utf-8")
    (root / "twice.txt").write_text("train/a\ntrain/a\n", encoding="utf-8")
    lists = {
        **YARD,
        "images": "images/{name}.jpg",
        "label_images": "labels/{name}_L.png",
        "splits": {"all": "all.txt", "twice": "twice.txt", "lost": "lost.txt", "none": "none.txt"},
    }
    (root / "none.txt").touch()
    path = write(root, lists)
    assert [sample.name for sample in open_dataset(path, splits=["all"])] == ["train/b", "val/c"]
    with pytest.raises(DataError, match=r"twice.txt has duplicates: train/a"):
        open_dataset(path, splits=["twice"])
    with pytest.raises(DataError, match=r"the split file .*lost.txt cannot be read: No such file"):
        open_dataset(path, splits=["lost"])
    with pytest.raises(DataError, match=r"none.txt is empty; expected one line per image, its {name}"):
        open_dataset(path, splits=["none"])


def test_the_root_is_the_files_folder_or_a_key_or_an_argument(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert len(open_dataset(write(elsewhere, {**YARD, "root": str(root)}))) == 1
    assert len(open_dataset(write(elsewhere, {**YARD, "root": "nowhere"}), root)) == 1
    (root / "sets").mkdir()
    assert len(open_dataset(write(root / "sets", {**YARD, "root": ".."}))) == 1


def test_labels_are_listed_or_a_file_or_shipped(root: Path) -> None:
    (root / "labels.yaml").write_text(yaml.safe_dump({"name": "mine", "labels": [GRASS, DOG]}), encoding="utf-8")
    assert open_dataset(write(root, {**YARD, "labels": "labels.yaml"})).labels == LabelMap.load(root / "labels.yaml")
    assert open_dataset(write(root, {**YARD, "labels": "camvid11"})).labels == LabelMap.load("camvid11")
    assert open_dataset(write(root, {**YARD, "name": "garden"})).labels.name == "garden"


PANOPTIC = {
    "images": "images/{split}",
    "panoptic_images": "panoptic/{split}",
    "panoptic_json": "{split}.json",
    "splits": ["train", "val"],
}


def test_the_coco_panoptic_format(root: Path, write_images: Callable) -> None:
    ids = np.where(classes() == 255, 0, classes() + 5)
    write_images(root, {"panoptic/val/c.png": np.stack([ids, 0 * ids, 0 * ids], axis=2).astype(np.uint8)})
    segments = [{"id": 5, "category_id": 80}, {"id": 6, "category_id": 2}]
    content = {
        "images": [{"id": 1, "file_name": "c.jpg"}],
        "annotations": [{"image_id": 1, "file_name": "c.png", "segments_info": segments}],
        "categories": [{"id": 2, "name": "wolf", "isthing": 1}, {"id": 80, "name": "grass", "isthing": 0}],
    }
    (root / "val.json").write_text(json.dumps(content), encoding="utf-8")
    named = open_dataset(write(root, PANOPTIC), splits=["val"])
    assert [label.name for label in named.labels] == ["wolf", "grass"]
    assert named.labels.name == "yard"
    assert LabelMap.load(root / "yard.yaml") == named.labels, "a recipe takes the label map from the same file"
    (root / "recipe.yaml").write_text("labels: yard.yaml", encoding="utf-8")
    assert LabelMap.load(root / "recipe.yaml") == named.labels
    train = {**content, "categories": content["categories"][:1], "images": [], "annotations": []}
    (root / "train.json").write_text(json.dumps(train), encoding="utf-8")
    with pytest.raises(DataError, match=r"the splits have different categories \(1 is missing, not grass \(stuff\)\)"):
        open_dataset(write(root, PANOPTIC), splits=["train", "val"])
    with pytest.raises(ConfigError, match="not in the label map yard: 2 wolf"):
        open_dataset(write(root, {**PANOPTIC, "labels": [GRASS, DOG]}), splits=["val"])
    assigned = {**PANOPTIC, "labels": [GRASS, DOG], "values": {2: "dog", 80: "grass"}}
    np.testing.assert_array_equal(open_dataset(write(root, assigned), splits=["val"])[0].label_map, classes())


def without(key: str, content: dict[str, Any] = YARD) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != key}


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ([], ["expected a mapping of settings"]),
        (without("images"), ["missing key 'images'"]),
        (
            {"image": "a"},
            ["missing key 'splits'; missing key 'labels'; missing key 'images'", "unknown key 'image'"],
        ),
        (without("panoptic_json", PANOPTIC), ["missing key 'panoptic_json'"]),
        ({**YARD, "panoptic_json": "a.json"}, ["missing key 'panoptic_images'", "unknown key 'label_images'"]),
        (
            {**YARD, "images": "images/{split}"},
            ["images is 'images/{split}', expected a path relative to root with one"],
        ),
        ({**PANOPTIC, "images": "i/{name}.jpg"}, ["images is 'i/{name}.jpg', expected a path relative to root"]),
        (
            {**YARD, "splits": "train"},
            ["splits is 'train', expected the values of {split} in the paths"],
        ),
        ({**PANOPTIC, "splits": {"val": "val.txt"}}, ["splits is {'val': 'val.txt'}, expected the values of {split}"]),
        ({**YARD, "values": {1: "grass", "#000000": "dog"}}, ["values: expected {7: road, 0: ignore}, or colours"]),
        ({**YARD, "values": {"#00000": "dog"}}, ["values: expected {7: road, 0: ignore}, or colours"]),
        ({**YARD, "values": {"1": "grass", 2: "dog", True: "dog"}}, ["got '1' (str)"]),
        ({**YARD, "values": {1: "cat", 2: "dog"}}, ["values contains cat; expected ignore, grass, dog"]),
        ({**PANOPTIC, "values": {1: "dog"}}, ["values requires labels"]),
        ({**YARD, "root": 7}, ["root is 7, expected a path"]),
        ({**YARD, "images": "images\0/{name}.jpg"}, ["contains a NUL character"]),
        ({**YARD, "labels": {"grass": 0}}, ["labels: expected a list of labels, a file or the name of a shipped"]),
        ({**YARD, "labels": "lawns"}, ["label map 'lawns' is neither a file nor one of the shipped"]),
    ],
)
def test_all_mistakes_in_the_file_are_reported(root: Path, content: object, messages: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        open_dataset(write(root, content))
    assert all(message in str(error.value) for message in messages), error.value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": ["test"]}, "yard has the splits train, val, not 'test'"),
        ({"split": "val"}, "unexpected keyword argument 'split'"),
        ({"root": "nowhere"}, "no images/val/{name}.jpg in nowhere, which is not a folder"),
    ],
)
def test_unknown_data_sets_and_options_are_reported(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BiSeNetFormerError) as error:
        open_dataset(write(root, YARD), **options)
    assert message in str(error.value)


def test_invalid_yaml_is_reported(root: Path) -> None:
    (root / "yard.yaml").write_text("labels: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"yard.yaml: not valid YAML"):
        open_dataset(str(root / "yard.yaml"))
