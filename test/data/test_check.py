import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bisenetformer_ros.data.catalog import RenderedDrives, find_dataset
from bisenetformer_ros.data.check import check, inspect
from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.labels import LabelMap

LABELS = LabelMap.load("camvid11")
SKY, ROAD, CAR, PEDESTRIAN = 0, 3, 8, 9


def sample_of(label_map: list[int], instance_map: list[int]) -> Sample:
    """Rows of pixels, each 4 columns wide."""
    labels = np.repeat(np.array(label_map, np.uint8)[:, None], 4, axis=1)
    instances = np.repeat(np.array(instance_map, np.int32)[:, None], 4, axis=1)
    return Sample("s", np.zeros((*labels.shape, 3), np.uint8), labels, instances)


def test_a_sample_is_counted() -> None:
    sample = sample_of([ROAD, CAR, CAR, CAR, CAR, PEDESTRIAN, 255], [0, 1, 1, 7, -8, 300, 300])
    findings = inspect(sample, LABELS, has_instances=True)
    assert findings.problems == []
    assert dict(findings.sizes) == {"4x7": 1}
    assert {value: int(findings.pixels[value]) for value in np.flatnonzero(findings.pixels)} == {
        ROAD: 4,
        CAR: 16,
        PEDESTRIAN: 4,
        255: 4,
    }
    assert findings.images.tolist() == [int(value in (ROAD, CAR, PEDESTRIAN, 255)) for value in range(256)]
    assert (dict(findings.instances), dict(findings.crowds)) == ({CAR: 2, PEDESTRIAN: 1}, {CAR: 1})


@pytest.mark.parametrize(
    ("label_map", "instance_map", "problems"),
    [
        ([255, 255], [0, 0], ["no pixel has a class"]),
        ([CAR, CAR, PEDESTRIAN], [5, 5, 5], ["instance 5 covers car (8 pixels) and pedestrian (4 pixels)"]),
        ([ROAD, CAR], [5, 5], ["instance 5 covers road (4 pixels) and car (4 pixels)"]),
        ([ROAD, SKY, CAR], [2, 2, 1], []),  # numbers on stuff alone mean nothing
        ([ROAD, CAR, CAR], [0, 0, 1], ["car: 4 pixels without instance"]),
        ([CAR, PEDESTRIAN], [-1, -1], []),  # a crowd of both
        ([CAR, 255], [4, 4], []),
    ],
)
def test_problems_of_a_sample_are_reported(label_map: list[int], instance_map: list[int], problems: list[str]) -> None:
    assert inspect(sample_of(label_map, instance_map), LABELS, has_instances=True).problems == problems


def test_connected_components_may_omit_specks() -> None:
    assert inspect(sample_of([ROAD, CAR], [0, 0]), LABELS, has_instances=False).problems == []


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    """CamVid with ten images of noise, each labelled with a car."""
    for number in range(10):
        label_map = np.full((60, 80), ROAD, np.uint8)
        label_map[10:20, 10 : 20 + number] = CAR
        noise = np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        write_images(tmp_path / "train", {f"{number}.jpg": noise, f"{number}.png": label_map})
    return tmp_path


@pytest.mark.parametrize("num_threads", [1, 4])
def test_every_corrupt_file_is_reported_and_the_rest_is_counted(
    root: Path, write_images: Callable, num_threads: int
) -> None:
    folder = root / "train"
    (folder / "1.png").unlink()
    (folder / "2.jpg").write_bytes((folder / "2.jpg").read_bytes()[:-100])
    (folder / "3.png").write_bytes(b"")
    (folder / "3.jpg").write_bytes(b"no picture")
    write_images(folder, {"4.png": np.full((60, 81), ROAD, np.uint8), "5.png": np.full((60, 80), 200, np.uint8)})
    write_images(folder, {"6.png": np.full((60, 80), 11, np.uint8)})
    (folder / "8.jpg").write_bytes((folder / "7.jpg").read_bytes())
    calls = []
    findings = check(
        [find_dataset("camvid", root, splits=["train"])], lambda: calls.append(threading.get_ident()), num_threads
    )
    expected = [
        "train/{name}.png is missing for 1 of 10 names: 1\n",
        f"{folder}/2.jpg is truncated",
        f"{folder}/3.jpg cannot be read: it is corrupt or not an image; {folder}/3.png is empty",
        f"{folder}/4.jpg is 80x60, its labels are 81x60",
        f"{folder}/5.png (80x60) has the values 200 (4800 pixels)",
        f"{folder}/6.jpg: no pixel has a class",
        f"{folder}/8.jpg is identical to {folder}/7.jpg",
    ]
    assert len(findings.problems) == len(expected)
    for problem, start in zip(findings.problems, expected, strict=True):
        assert problem.startswith(start)
    assert (findings.num_images, dict(findings.sizes)) == (5, {"80x60": 5})
    assert findings.instances[CAR] == 4
    assert findings.pixels[CAR] == sum(10 * (10 + number) for number in (0, 7, 8, 9))
    assert findings.images[[ROAD, CAR, 255, SKY]].tolist() == [4, 4, 1, 0]
    assert calls == [threading.get_ident()] * 9


def test_a_data_set_that_is_read_twice_is_reported(root: Path) -> None:
    datasets = [find_dataset("camvid", root, splits=["train"]), find_dataset("camvid", root, splits=["train"])]
    findings = check(datasets)
    assert findings.problems == [f"{root}/train/{number}.jpg is read twice" for number in range(10)]


def test_rendered_drives_have_no_problems() -> None:
    findings = check([RenderedDrives(first_seed=5, num_drives=1, frames_per_drive=2, size=(36, 48))])
    assert (findings.problems, findings.num_images) == ([], 2)
    assert check([]).num_images == 0


def test_ctrl_c_does_not_wait_for_the_remaining_images(root: Path) -> None:
    dataset = find_dataset("camvid", root, splits=["train"])
    read = []
    dataset.images = [Observed(image, read) for image in dataset.images] * 100

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check([dataset], stop, num_threads=2)
    assert len(read) < 900


class Observed:
    """An image that records when it is read."""

    def __init__(self, image: object, read: list[int]) -> None:
        self.path = image.path
        self.find_oddities = image.find_oddities
        self._image, self._read = image, read

    def read(self) -> Sample:
        self._read.append(1)
        return self._image.read()
