import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bisenetformer_ros.data.check import check
from bisenetformer_ros.data.cityscapes import open_cityscapes
from bisenetformer_ros.data.sample import panoptic_ground_truth
from bisenetformer_ros.errors import DataError

EGO, ROAD, SKY, PERSON, CAR, TRAILER = 1, 7, 23, 24, 26, 30  # ids as in the files
TRAIN_IDS = {EGO: 255, ROAD: 0, SKY: 10, PERSON: 11, CAR: 13, TRAILER: 255}

ULM = "ulm_000000_000019"
LABELS, INSTANCES = f"gtFine/val/ulm/{ULM}_gtFine_labelIds.png", f"gtFine/val/ulm/{ULM}_gtFine_instanceIds.png"


def street() -> np.ndarray:
    """(64, 128) uint16 instance ids: two cars that touch, a crowd of cars, a person, a trailer, the ego vehicle."""
    ids = np.full((64, 128), ROAD, np.uint16)
    ids[:20] = SKY
    ids[24:40, 10:30] = 1000 * CAR
    ids[24:40, 30:50] = 1000 * CAR + 1
    ids[24:36, 60:100] = CAR
    ids[20:44, 104:110] = 1000 * PERSON + 3
    ids[30:40, 112:120] = 1000 * TRAILER
    ids[58:] = EGO
    return ids


def class_ids(instance_ids: np.ndarray) -> np.ndarray:
    return np.where(instance_ids < 1000, instance_ids, instance_ids // 1000).astype(np.uint8)


def frame_files(name: str, split: str = "val") -> dict[str, np.ndarray]:
    city = name.split("_")[0]
    return {
        f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png": np.full((64, 128, 3), (200, 100, 50), np.uint8),
        f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png": class_ids(street()),
        f"gtFine/{split}/{city}/{name}_gtFine_instanceIds.png": street(),
        f"gtFine/{split}/{city}/{name}_gtFine_color.png": np.zeros((64, 128, 3), np.uint8),
    }


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    """Two cities in val, one in train."""
    for name in (ULM, "ulm_000001_000019", "bonn_000000_000019"):
        write_images(tmp_path, frame_files(name))
    write_images(tmp_path, frame_files("jena_000000_000019", "train"))
    return tmp_path


def prepare(root: Path, write_images: Callable) -> None:
    """The panoptic files of val: PNGs of the instance ids, crowds among them, without what is not evaluated."""
    images, annotations, folder = [], [], root / "gtFine" / "cityscapes_panoptic_val"
    folder.mkdir()
    for path in sorted((root / "gtFine" / "val").glob("*/*_instanceIds.png")):
        image_id = path.name.removesuffix("_gtFine_instanceIds.png")
        ids = street()
        ids[np.isin(class_ids(ids), (EGO, TRAILER))] = 0
        png = np.stack([ids % 256, ids // 256, 0 * ids], axis=2).astype(np.uint8)
        write_images(folder, {f"{image_id}_gtFine_panoptic.png": png})
        segments = [
            {"id": int(value), "category_id": int(class_ids(value)), "iscrowd": int(value == CAR)}
            for value in np.unique(ids)[1:]
        ]
        images.append({"id": image_id, "file_name": f"{image_id}_gtFine_leftImg8bit.png", "width": 128, "height": 64})
        annotations.append(
            {"image_id": image_id, "file_name": f"{image_id}_gtFine_panoptic.png", "segments_info": segments}
        )
    names = {ROAD: "road", SKY: "sky", PERSON: "person", CAR: "car"}
    categories = [{"id": key, "name": name, "isthing": int(key > SKY)} for key, name in names.items()]
    content = {"images": images[::-1], "annotations": annotations, "categories": categories}
    (root / "gtFine" / "cityscapes_panoptic_val.json").write_text(json.dumps(content), encoding="utf-8")


def test_splits_are_read_in_order(root: Path) -> None:
    dataset = open_cityscapes(root, ("train", "val"))
    names = [dataset[index].name for index in range(len(dataset))]
    assert names == ["jena_000000_000019", "bonn_000000_000019", ULM, "ulm_000001_000019"]
    assert len(open_cityscapes(root, ("train",))) == 1
    assert dataset.has_instances


def test_labels_are_train_ids_and_instances_keep_their_ids(root: Path) -> None:
    sample = open_cityscapes(root, ("val",))[1]
    np.testing.assert_array_equal(sample.label_map, np.vectorize(TRAIN_IDS.get)(class_ids(street())))
    expected = np.zeros((64, 128), int)
    expected[24:40, 10:30] = 26000
    expected[24:40, 30:50] = 26001
    expected[24:36, 60:100] = -26
    expected[20:44, 104:110] = 24003
    np.testing.assert_array_equal(sample.instance_map, expected)
    assert (sample.label_map.dtype, sample.instance_map.dtype) == (np.uint8, np.int32)
    assert sample.rgb[5, 5].tolist() == [200, 100, 50]


def test_a_thing_without_a_number_is_a_crowd(root: Path) -> None:
    dataset = open_cityscapes(root, ("val",))
    sample = dataset[0]
    segment_map, segments, crowd_ids = panoptic_ground_truth(sample.label_map, sample.instance_map, dataset.labels)
    assert sorted(segments.values()) == [0, 10, 11, 13, 13, 13]
    assert crowd_ids == {segment_map[30, 80]}


def test_prepared_files_are_equivalent(root: Path, write_images: Callable) -> None:
    raw = list(open_cityscapes(root, ("val",)))
    assert all(sample.instance_map.any() for sample in raw)
    prepare(root, write_images)
    shutil.rmtree(root / "gtFine" / "val")
    prepared = open_cityscapes(root, ("val",))
    assert prepared.problems == ()
    assert len(prepared) == len(raw) == 3
    for one, other in zip(raw, prepared, strict=True):
        assert one.name == other.name
        for name in ("rgb", "label_map", "instance_map"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype


def test_the_official_preparation_agrees(root: Path, write_images: Callable) -> None:
    """Polygons, drawn and converted by cityscapesScripts."""
    pytest.importorskip("cityscapesscripts", reason="pip install cityscapesscripts to compare with it")
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic
    from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
    from cityscapesscripts.preparation.json2labelImg import createLabelImage

    boxes = [
        ("sky", 0, 0, 127, 20),
        ("road", 0, 21, 127, 63),
        ("building", 0, 5, 40, 30),
        ("car", 10, 24, 40, 40),
        ("license plate", 20, 34, 26, 37),
        ("car", 38, 26, 60, 44),
        ("cargroup", 70, 24, 100, 36),
        ("person", 80, 20, 86, 44),
        ("trailer", 104, 24, 120, 40),
        ("ego vehicle", 0, 58, 127, 63),
        ("traffic light", 110, 2, 114, 10),
    ]
    polygons = [{"label": name, "polygon": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]} for name, x0, y0, x1, y1 in boxes]
    annotation = Annotation()
    annotation.fromJsonText(json.dumps({"imgWidth": 128, "imgHeight": 64, "objects": polygons}))
    instance_ids = np.array(createInstanceImage(annotation, "ids")).astype(np.uint16)
    write_images(root, {LABELS: np.array(createLabelImage(annotation, "ids")), INSTANCES: instance_ids})
    train_ids = np.array(createLabelImage(annotation, "trainIds"))
    raw = open_cityscapes(root, ("val",))[1]
    np.testing.assert_array_equal(raw.label_map, train_ids)
    assert set(np.unique(train_ids)) == {0, 2, 6, 10, 11, 13, 255}
    assert np.unique(raw.instance_map).tolist() == [-26, 0, 24000, 26000, 26001]

    convert2panoptic(str(root / "gtFine"), setNames=["val"])
    shutil.rmtree(root / "gtFine" / "val")
    prepared = open_cityscapes(root, ("val",))[1]
    np.testing.assert_array_equal(prepared.label_map, raw.label_map)
    np.testing.assert_array_equal(prepared.instance_map, raw.instance_map)


def test_other_splits_are_rejected(root: Path) -> None:
    with pytest.raises(DataError, match="labels of Cityscapes' test split are not public: use val"):
        open_cityscapes(root, ("test",))
    with pytest.raises(DataError, match="Cityscapes has the splits train, val, not 'dev'"):
        open_cityscapes(root, ("train", "dev"))


IMAGE_PATTERN = "leftImg8bit/val/{name}_leftImg8bit.png"
LABEL_PATTERN = "gtFine/val/{name}_gtFine_labelIds.png"


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        (LABELS, [f"{LABEL_PATTERN} is missing for 1 of 3 names: ulm/{ULM}\n", f"{LABEL_PATTERN}     2 found"]),
        ("gtFine/val/ulm", [f"{LABEL_PATTERN} is missing for 2 of 3 names", "\n  ulm: 2, 0, 0"]),
        ("leftImg8bit/val/bonn", [f"{IMAGE_PATTERN} is missing for 1 of 3 names: bonn/bonn", "\n  bonn: 0, 1, 1"]),
        ("gtFine", ["gtFine/val/{name}_gtFine_instanceIds.png is missing for 3 of 3", "_instanceIds.png  0 found"]),
    ],
    ids=["a file", "a city's labels", "a city's images", "all labels"],
)
def test_missing_files_are_reported_with_the_tree(root: Path, removed: str, expected: list[str]) -> None:
    path = root / removed
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    dataset = open_cityscapes(root, ("val",))
    (problem,) = dataset.problems
    assert f"expected in {root}:\n  {IMAGE_PATTERN} " in problem
    assert all(text in problem for text in expected), problem
    assert len(list(dataset)) < 3


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (".", r"leftImg8bit/ is in .*/data: is that the root\?"),
        ("data/gtFine", r"which contains train/, val/\n(?s:.*)leftImg8bit/ is in .*/data: is that the root\?"),
        ("elsewhere", "elsewhere, which is not a folder"),
    ],
)
def test_a_wrong_root_is_reported(tmp_path: Path, write_images: Callable, start: str, expected: str) -> None:
    write_images(tmp_path / "data", {**frame_files(ULM), **frame_files("jena_000000_000019", "train")})
    with pytest.raises(DataError, match=expected) as error:
        open_cityscapes(tmp_path / start, ("val",))
    assert f"no {IMAGE_PATTERN} in" in str(error.value)


def test_prepared_files_without_their_pngs_are_reported(root: Path, write_images: Callable) -> None:
    prepare(root, write_images)
    shutil.rmtree(root / "gtFine" / "cityscapes_panoptic_val")
    (problem,) = open_cityscapes(root, ("val",)).problems
    assert re.search(r"lists 3 missing files, 3 in .*cityscapes_panoptic_val \(no such folder\)", problem)


def other_class(ids: np.ndarray) -> np.ndarray:
    ids[30, 12:16] = 1000 * PERSON
    return ids


@pytest.mark.parametrize(
    ("file", "image", "message"),
    [
        (LABELS, np.full((64, 128), 34, np.uint8), "labelIds.png .* has the values 34 .8192 pixels"),
        (LABELS, class_ids(street())[:60], "leftImg8bit.png is 128x64, its labels are 128x60"),
        (INSTANCES, street()[:60], "instanceIds.png is 128x60, .*labelIds.png is 128x64"),
        (LABELS, np.full((64, 128, 3), (1, 2, 3), np.uint8), "labelIds.png has three channels"),
        (INSTANCES, np.full((64, 128, 3), (1, 2, 3), np.uint8), "8192 pixels different classes"),
        (INSTANCES, other_class(street()), r"instanceIds.png and .* 4 pixels different classes.*24000 and 26"),
    ],
)
def test_contradictory_labels_are_rejected(
    root: Path, write_images: Callable, file: str, image: np.ndarray, message: str
) -> None:
    write_images(root, {file: image})
    with pytest.raises(DataError, match=message):
        _ = open_cityscapes(root, ("val",))[1].instance_map


def test_a_semantic_recipe_does_not_read_instances(root: Path) -> None:
    (root / INSTANCES).write_bytes(b"no image")
    sample = open_cityscapes(root, ("val",))[1]
    np.testing.assert_array_equal(sample.label_map, np.vectorize(TRAIN_IDS.get)(class_ids(street())))
    with pytest.raises(DataError, match=r"instanceIds.png cannot be read"):
        _ = sample.instance_map
    (problem,) = check([open_cityscapes(root, ("val",))]).problems[:1]
    assert problem.startswith(f"{root / INSTANCES} cannot be read")
