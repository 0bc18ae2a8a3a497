import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.labels import Label, LabelMap

ROAD = {"name": "road", "is_thing": False, "color": [128, 64, 128]}
CAR = {"name": "car", "is_thing": True, "color": [0, 0, 142]}


def names_at(label_map: LabelMap, *ids: int) -> list[str]:
    return [label_map[class_id].name for class_id in ids]


def test_dictionary_round_trip() -> None:
    content = {"name": "two", "labels": [ROAD, CAR]}
    label_map = LabelMap.from_dict(content)
    assert label_map.to_dict() == content
    assert LabelMap.from_dict(label_map.to_dict()) == label_map
    assert label_map[1] == Label(id=1, name="car", is_thing=True, color=(0, 0, 142))


def test_files_are_loaded_by_path_and_named_after_it(tmp_path: Path) -> None:
    file = tmp_path / "yard.yaml"
    file.write_text(yaml.safe_dump({"labels": [ROAD, CAR]}), encoding="utf-8")
    label_map = LabelMap.load(file)
    assert label_map.name == "yard"
    assert label_map.thing_ids == (1,)


def test_palette() -> None:
    palette = LabelMap.from_dict({"labels": [ROAD, CAR]}).palette
    expected = np.zeros((256, 3), np.uint8)
    expected[0], expected[1] = (128, 64, 128), (0, 0, 142)
    np.testing.assert_array_equal(palette, expected)
    assert palette.dtype == np.uint8


def test_all_problems_are_listed_at_once() -> None:
    labels = (
        Label(0, "road", False, (128, 64, 128)),
        Label(2, "car", True, (0, 0, 142)),
        Label(2, "road", False, (0, 0, 256)),
        Label(3, "grey", False, (0, 0)),
    )
    with pytest.raises(ConfigError) as caught:
        LabelMap("yard", labels)
    message = str(caught.value)
    assert "'yard'" in message
    assert "'road' occurs 2 times" in message
    assert "'car' has id 2 at position 1" in message
    assert "[0, 0, 256]" in message
    assert "'grey' has color [0, 0], expected R, G, B of 0..255" in message


@pytest.mark.parametrize("count", [0, 256])
def test_the_number_of_classes_is_limited(count: int) -> None:
    labels = tuple(Label(i, f"class {i}", False, (0, 0, 0)) for i in range(count))
    with pytest.raises(ConfigError, match=f"has {count} labels, expected 1 to 255"):
        LabelMap("yard", labels)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [ROAD],
        {"labels": {"road": ROAD}},
        {"labels": ["road"]},
    ],
)
def test_invalid_content_is_rejected(content: object) -> None:
    with pytest.raises(ConfigError, match=r"yard.*(name.*is_thing.*color)"):
        LabelMap.from_dict(content, default_name="yard")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "road", "is_thing": False}, "label 1 (road) has no color"),
        ({"is_thing": False, "color": [1, 2, 3]}, "label 1 has no name"),
        ({**ROAD, "color": "red"}, "label 1 (road): color is 'red', expected [R, G, B]"),
        ({**ROAD, "color": [1, 2]}, "label 1 (road): color is [1, 2], expected [R, G, B]"),
        (
            {**ROAD, "color": ["1", "2", "3"]},
            "label 1 (road): color is ['1', '2', '3'], expected [R, G, B], whole numb",
        ),
        ({**ROAD, "color": [0, 0, float("inf")]}, "color is [0, 0, inf], expected"),
        ({**ROAD, "color": [0, 0, 256]}, "color is [0, 0, 256], expected [R, G, B], whole numbers of 0 to 255"),
        ({**ROAD, "is_thing": "no"}, "label 1 (road): is_thing is 'no', expected true or false, without quotes"),
        ({**ROAD, "name": False}, "label 1 (False): name is False, expected text, in quotes if YAML takes it for"),
    ],
)
def test_an_invalid_label_is_named(entry: object, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LabelMap.from_dict({"labels": [CAR, entry, entry]}, default_name="yard")
    assert problem in str(caught.value)
    assert problem.replace("label 1", "label 2") in str(caught.value)


def test_an_invalid_category_is_named() -> None:
    categories = [{"id": 7, "name": "road", "isthing": 0}, {"id": 30, "name": "car", "isthing": 1, "color": [1, 2]}]
    with pytest.raises(ConfigError, match=r"category 30 \(car\): color is \[1, 2\], expected \[R, G, B\]"):
        LabelMap.from_categories(categories, "coco")
    del categories[0]["isthing"]
    with pytest.raises(ConfigError, match=r"category 7 \(road\) has no isthing"):
        LabelMap.from_categories(categories[:1], "coco")


def test_a_missing_file_lists_what_ships() -> None:
    with pytest.raises(ConfigError, match=r"nowhere.*ade20k150, camvid11, cityscapes19"):
        LabelMap.load("nowhere")


def test_invalid_yaml_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("labels: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.yaml: not valid YAML"):
        LabelMap.load(file)


def test_labels_can_be_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text("labels: yard.yaml\nimages: i/{name}.jpg", encoding="utf-8")
    (tmp_path / "yard.yaml").write_text(yaml.safe_dump({"labels": [ROAD, CAR]}), encoding="utf-8")
    assert LabelMap.load(tmp_path / "set.yaml") == LabelMap.load(tmp_path / "yard.yaml")
    (tmp_path / "yard.yaml").write_text("labels: camvid11", encoding="utf-8")
    assert LabelMap.load(tmp_path / "set.yaml") == LabelMap.load("camvid11")
    (tmp_path / "yard.yaml").write_text("labels: set.yaml", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"set\.yaml: labels leads back to this file"):
        LabelMap.load(tmp_path / "set.yaml")


def coco(folder: Path, **changes: object) -> Path:
    """Write a data set in the COCO panoptic format without labels of its own; the split train is not there."""
    categories = [
        {"id": 9, "name": "car", "isthing": 1, "color": [0, 0, 142]},
        {"id": 2, "name": "road", "isthing": 0, "color": [128, 64, 128]},
    ]
    (folder / "json").mkdir(exist_ok=True)
    (folder / "json" / "val.json").write_text(json.dumps({"categories": categories}), encoding="utf-8")
    content = {"root": "json", "panoptic_json": "{split}.json", "splits": ["train", "val"], **changes}
    (folder / "coco.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "coco.yaml"


def test_categories_of_a_panoptic_data_set_are_labels(tmp_path: Path) -> None:
    expected = LabelMap.from_dict({"name": "coco", "labels": [ROAD, CAR]})
    assert LabelMap.load(coco(tmp_path)) == expected
    with pytest.raises(DataError, match=r"json/train\.json cannot be read: No such file"):
        LabelMap.load(coco(tmp_path, splits=["train"]))
    with pytest.raises(ConfigError, match=r"coco\.yaml: expected a data set in the COCO panoptic format"):
        LabelMap.load(coco(tmp_path, splits=7))
    with pytest.raises(ConfigError, match=r"coco\.yaml: expected a data set in the COCO panoptic format"):
        LabelMap.load(coco(tmp_path, splits=[]))


def test_differences_are_those_of_names_and_things() -> None:
    first = LabelMap.from_dict({"labels": [ROAD, CAR]})
    assert first.differences(LabelMap.from_dict({"name": "x", "labels": [{**ROAD, "color": [1, 2, 3]}, CAR]})) == []
    other = LabelMap.from_dict({"labels": [ROAD, {**CAR, "is_thing": False}, {**CAR, "name": "bus"}]})
    assert first.differences(other) == ["1 is car (thing), not car (stuff)", "2 is missing, not bus (thing)"]


def test_anonymous_classes_differ_in_name_and_colour() -> None:
    label_map = LabelMap.anonymous(30)
    assert len(label_map) == 30
    assert label_map.thing_ids == ()
    assert len({label.name for label in label_map.labels}) == 30
    assert len({label.color for label in label_map.labels}) == 30


def test_camvid() -> None:
    label_map = LabelMap.load("camvid11")
    assert len(label_map) == 11
    assert names_at(label_map, 0, 1, 2, 3, 4, 5) == ["sky", "building", "pole", "road", "pavement", "tree"]
    assert names_at(label_map, 6, 7, 8, 9, 10) == ["sign_symbol", "fence", "car", "pedestrian", "bicyclist"]
    assert label_map.thing_ids == (8, 9, 10)


def test_cityscapes() -> None:
    label_map = LabelMap.load("cityscapes19")
    assert len(label_map) == 19
    assert label_map.thing_ids == tuple(range(11, 19))
    assert names_at(label_map, 0, 5, 8, 10) == ["road", "pole", "vegetation", "sky"]
    assert names_at(label_map, 11, 13, 16, 18) == ["person", "car", "train", "bicycle"]
    assert label_map[0].color == (128, 64, 128)
    assert label_map[13].color == (0, 0, 142)
    assert len({label.color for label in label_map.labels}) == 19


def test_ade20k() -> None:
    label_map = LabelMap.load("ade20k150")
    assert len(label_map) == 150
    assert len(label_map.thing_ids) == 100
    assert names_at(label_map, 0, 6, 12, 20, 28, 43) == ["wall", "road", "person", "car", "rug", "signboard"]
    assert names_at(label_map, 77, 78, 116, 136, 149) == ["bar", "arcade machine", "minibike", "traffic light", "flag"]
    assert label_map[12].color == (150, 5, 61)
    assert label_map[149].color == (92, 0, 255)


def test_ade20k_things_are_the_classes_of_the_instance_track() -> None:
    things = {label.name for label in LabelMap.load("ade20k150").labels if label.is_thing}
    assert {"windowpane", "door", "fence", "column", "stairs", "palm", "pole", "step", "screen door"} <= things
    assert things.isdisjoint({"rug", "plant", "house", "stairway", "bridge", "blind", "tower", "tent", "crt screen"})
