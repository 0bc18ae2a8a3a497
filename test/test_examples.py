"""The examples that need no ROS; test/ros/test_examples.py runs the others."""

import runpy
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.streets import StreetDrive

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_batch_folder_writes_the_labels_of_single_images(tmp_path: Path, random_weights: Path) -> None:
    sizes = [(96, 128), (96, 128), (96, 128), (80, 128)]
    images = tmp_path / "images"
    images.mkdir()
    for number, size in enumerate(sizes):
        cv2.imwrite(str(images / f"{number}.png"), StreetDrive(3, 4, size=size)[number].rgb[..., ::-1])
    main = runpy.run_path(str(EXAMPLES / "batch_folder.py"))["main"]
    main([str(images), str(tmp_path / "labels"), "--model", str(random_weights), "--batch-size", "2"])
    segmenter = Segmenter(random_weights, engine="torch", task="semantic")
    for number, size in enumerate(sizes):
        written = cv2.imread(str(tmp_path / "labels" / f"{number}.png"), cv2.IMREAD_UNCHANGED)
        alone = segmenter(cv2.imread(str(images / f"{number}.png"))[..., ::-1].copy()).label_map
        assert written.shape == size
        assert np.mean(written == alone) > 0.99  # a batch is summed up in another order


def test_every_example_is_listed() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    shipped = [path for path in EXAMPLES.iterdir() if path.name != "README.md"]
    assert [path.name for path in shipped if f"]({path.name}" not in page] == []
