"""`bisenetformer export` compares with PyTorch, and writes nothing that sees other things."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.cli.export import drive_frames
from bisenetformer_ros.inference.agreement import Agreement
from bisenetformer_ros.inference.verify import Verification, verify
from bisenetformer_ros.resources import config_file

TRAINED = "bisenetformer-nano-camvid"
"""Untrained networks see the same everywhere, and agree on that with each other."""
SIZE = (96, 128)


@pytest.mark.parametrize("task", ["panoptic", "semantic"])
def test_the_command_says_how_well_they_agree(exports: dict[str, tuple[Path, str]], task: str) -> None:
    said = exports[task][1]
    assert "agreement: on 4 frames as PyTorch has it: " in said
    assert ("of the segments" in said) == (task == "panoptic")


def test_a_graph_of_other_weights_does_not_pass(exports: dict[str, tuple[Path, str]]) -> None:
    graph = exports["semantic"][0].read_bytes()
    verification = verify(graph, config_file("models", TRAINED, ".safetensors"), drive_frames(SIZE)[:1])
    assert verification.agreement.labels < 0.5
    assert not verification.passed


def test_a_graph_that_disagrees_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ranges of integers that were measured on black pictures are wrong for streets."""
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
        (["OUT.onnx", "--precision", "int8"], "needs --calibrate"),
        (["OUT.onnx", "--calibrate", "."], "no use for it"),
    ],
)
def test_what_cannot_be_exported_is_told_before_the_work(
    small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    output = str(tmp_path / arguments[0])
    assert main(["export", str(small_weights), output, "--size", "96x128", *arguments[1:]]) == 2
    assert words in capsys.readouterr().err
