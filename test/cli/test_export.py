import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_stream import live_stream

pytest.importorskip("onnxscript", reason="the exporter is not installed")

from bisenetformer_ros.bags.message_types import messages
from bisenetformer_ros.bags.writer import BagWriter
from bisenetformer_ros.cli import export
from bisenetformer_ros.cli.__main__ import build_parser, main
from bisenetformer_ros.cli.export import MAX_FRAMES
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.segmenter import Segmenter


def test_a_graph_has_the_task_of_its_weights_and_warns_of_another(
    semantic_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, figures = tmp_path / "meadow.onnx", tmp_path / "figures.json"
    command = ["export", str(semantic_weights), str(graph), "--size", "64x96", "--json", str(figures)]
    for options, task, num_warnings in (((), "semantic", 0), (("--task", "panoptic"), "panoptic", 1)):
        assert main([*command, *options]) in (0, 1)
        content, captured = json.loads(figures.read_text()), capsys.readouterr()
        assert content["task"] == task
        info, segmenter = GraphInfo.load(graph), Segmenter(graph, device="cpu")
        assert (info.task, info.metadata.task, segmenter.task) == (task, "semantic", task)
        warnings = (content["task_warning"], captured.err, segmenter.task_warning)
        assert [text.count("trained for the semantic task") for text in warnings] == [num_warnings] * 3
        assert f"wrote {graph}: {task}, fp32" in captured.out


@pytest.mark.skipif(cv2.CAP_FFMPEG not in cv2.videoio_registry.getBackends(), reason="this OpenCV has no FFmpeg")
def test_a_graph_is_calibrated_and_verified_with_images_of_a_camera(
    semantic_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    with live_stream(48, 64) as address:
        options = ["--precision", "int8", "--calibrate", address, "--verify-with", address, "--json", str(figures)]
        command = ["export", str(semantic_weights), str(tmp_path / "meadow.onnx"), "--size", "48x64", *options]
        assert main(command) in (0, 1)
    assert json.loads(figures.read_text())["frames_compared"] == MAX_FRAMES


def read(*options: str) -> tuple[list[int], list[int]]:
    """The grey values of the images that calibrate, and of those to compare on."""
    words = ["export", "meadow", "meadow.onnx", "--size", "6x8", "--precision", "int8", *options]
    calibration, others = export._read_all_frames(build_parser("export").parse_args(words))
    return [round(frame.mean()) for frame in calibration], [round(frame.mean()) for frame in others]


def write_greys(folder: Path, number: int) -> str:
    """Images of 6x8 pixels whose values count from 0."""
    folder.mkdir()
    for value in range(number):
        cv2.imwrite(str(folder / f"{value:03d}.png"), np.full((6, 8, 3), value, np.uint8))
    return str(folder)


def test_every_third_image_does_not_calibrate_and_is_compared_on(tmp_path: Path) -> None:
    greys = write_greys(tmp_path / "greys", 48)
    calibration, others = read("--calibrate", greys)
    assert (len(calibration), others) == (32, [*range(1, 48, 3)])
    assert sorted(calibration + others) == [*range(48)]
    calibration, others = read("--calibrate", greys, "--verify-with", write_greys(tmp_path / "others", 3))
    assert (len(calibration), calibration[0], calibration[-1], others) == (32, 0, 47, [0, 1, 2])
    calibration, others = read("--calibrate", write_greys(tmp_path / "one", 1))
    assert (calibration, len(others)) == ([0], 4)  # streets


@pytest.mark.parametrize("form", ["folder", "file"])
def test_the_images_of_a_bag_are_spread_over_it(tmp_path: Path, form: str) -> None:
    path = tmp_path / "drive"
    with BagWriter(path) as bag:
        for topic in ("/front", "/rear"):
            bag.add_topic(topic, "sensor_msgs/msg/Image")
        for number in range(142):
            for topic, value in (("/front", number), ("/rear", 255)):
                bag.write(topic, number, messages.image(messages.header(number), np.full((6, 8, 3), value, np.uint8)))
    source = str(path if form == "folder" else next(path.glob("*.mcap")))
    calibration, others = read("--calibrate", source, "--calibrate-topic", "/front")
    assert others == [*range(3, 142, 9)]
    assert sorted(calibration + others) == [*range(0, 142, 3)]
    with pytest.raises(InputError, match=r"has 2 image topics; expected one, or its name in --calibrate-topic"):
        read("--calibrate", source)


def test_the_images_of_a_bag_are_scaled_by_their_bit_depth(tmp_path: Path) -> None:
    """Samples of 12 bits: 16 times as dark if they were taken for 16."""
    path = tmp_path / "drive"
    with BagWriter(path) as bag:
        bag.add_topic("/image", "sensor_msgs/msg/Image")
        for number in range(9):
            samples = np.full((6, 8), 4095 * number // 8, np.uint16)
            bag.write("/image", number, messages.image(messages.header(number), samples))
    expected = [round(255 * (4095 * number // 8) / 4095) for number in range(9)]
    for options in (("--calibrate", str(path)), ("--calibrate", str(path), "--verify-with", str(path))):
        calibration, others = read(*options, "--bit-depth", "12")
        assert sorted({*calibration, *others}) == expected
    dark, _ = read("--calibrate", str(path))
    assert max(dark) <= 16
