import json
from pathlib import Path

import cv2
import pytest
from live_stream import live_stream

pytest.importorskip("onnxscript", reason="the exporter is not installed")

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.cli.export import MAX_FRAMES
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
