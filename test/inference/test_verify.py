"""`bisenetformer export` compares the graph with PyTorch and does not write one that disagrees."""

import json
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.cli import export
from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.images import sources
from bisenetformer_ros.images.sources import FrameSource, SourceFrame, open_source
from bisenetformer_ros.inference.agreement import Agreement
from bisenetformer_ros.inference.verification_frames import load_verification_frames
from bisenetformer_ros.inference.verify import Verification, verify
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.streets import StreetDrive

TRAINED = "bisenetformer-nano-camvid"
"""Untrained networks see the same everywhere and agree on that."""
SIZE = (96, 128)


@pytest.mark.parametrize("task", ["panoptic", "semantic"])
def test_the_command_reports_the_agreement(exports: dict[str, tuple[Path, str]], task: str) -> None:
    said = exports[task][1]
    assert "agreement with PyTorch over 4 frames: " in said
    assert ("% of segments" in said) == (task == "panoptic")


def test_a_graph_of_other_weights_does_not_pass(exports: dict[str, tuple[Path, str]]) -> None:
    graph = exports["semantic"][0].read_bytes()
    verification = verify(graph, find_model(TRAINED), load_verification_frames(SIZE)[:1])
    assert verification.agreement.labels < 0.5
    assert not verification.passed


def test_a_graph_that_disagrees_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """int8 ranges calibrated on black images are wrong for streets."""
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((*SIZE, 3), np.uint8))
    out, figures = tmp_path / "blind.onnx", tmp_path / "figures.json"
    arguments = ["--size", "96x128", "--task", "semantic", "--precision", "int8", "--json", str(figures)]
    arguments += ["--calibrate", str(tmp_path / "black.png")]
    assert main(["export", TRAINED, str(out), *arguments]) == 1
    assert f"{out} was not written: the graph disagrees with PyTorch" in capsys.readouterr().err
    assert not out.exists()
    assert json.loads(figures.read_text())["passed"] is False


@pytest.mark.parametrize(
    ("labels", "segments", "passed"),
    [(0.999, 1.0, True), (0.9989, 1.0, False), (1.0, 0.99, False), (1.0, None, True)],
)
def test_labels_and_segments_both_count(labels: float, segments: float | None, passed: bool) -> None:
    assert Verification(Agreement(labels, segments), 0.999, 1.0, num_frames=4).passed is passed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["OUT.engine"], "expected a .onnx file"),
        (["OUT.onnx", "--precision", "int8"], "--calibrate IMAGES or --calibrate-topic TOPIC is required for"),
        (["OUT.onnx", "--calibrate", "."], "--calibrate is for --precision int8 only, got fp32"),
        (["OUT.onnx", "--calibrate-topic", "/image"], "--calibrate-topic is for --precision int8 only, got fp32"),
        (
            ["OUT.onnx", "--precision", "int8", "--calibrate", ".", "--calibrate-topic", "/image"],
            "--calibrate-topic names a topic of a bag or of ROS, got --calibrate . as well",
        ),
        (["OUT.onnx", "--symmetric", "--precision", "fp16"], "--symmetric is for --precision int8 only, got fp16"),
    ],
)
def test_wrong_arguments_are_reported_before_the_work(
    small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    output = str(tmp_path / arguments[0])
    assert main(["export", str(small_weights), output, "--size", "96x128", *arguments[1:]]) == 2
    assert words in capsys.readouterr().err


def test_the_shipped_images_are_rendered_streets_of_any_size() -> None:
    frames = load_verification_frames((360, 480))
    assert len(frames) == 4
    for seed, frame in enumerate(frames):
        rendered = StreetDrive(seed, size=(360, 480))[20].rgb
        assert np.abs(frame.astype(int) - rendered).mean() < 5  # JPEG
    assert {frame.shape for frame in load_verification_frames((33, 65))} == {(33, 65, 3)}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """100 frames, each of one grey value, which is its number."""
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(100):
        writer.write(np.full((48, 64, 3), number, np.uint8))
    writer.release()
    return path


def test_images_are_spread_over_a_video_of_which_one_frame_is_in_memory(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: weakref.WeakSet[SourceFrame] = weakref.WeakSet()
    most = 0

    def open_counted(path: Path) -> FrameSource:
        def counted() -> Iterator[SourceFrame]:
            nonlocal most
            for frame in open_source(path).frames:
                alive.add(frame)
                most = max(most, len(alive))
                yield frame

        return FrameSource(None, counted())

    monkeypatch.setattr(sources, "open_source", open_counted)
    frames = export.read_frames(str(video), (24, 32), most=4)
    assert [frame.shape for frame in frames] == [(24, 32, 3)] * 4
    np.testing.assert_allclose([frame.mean() for frame in frames], [0, 33, 66, 99], atol=3)
    assert most <= 3  # the current one, and those that loops still name


def test_export_imports_no_generator() -> None:
    script = "import sys, bisenetformer_ros.cli.export; print([m for m in sys.modules if '.streets' in m])"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"
