"""Graphs of `bisenetformer export --engine openvino`: logits come out, and post-processing is PyTorch's."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.inference.verification_frames import load_verification_frames
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.tasks import TASKS

pytest.importorskip("onnxscript", reason="the exporter is not installed")
pytest.importorskip("openvino", reason="OpenVINO is not installed")

TRAINED = "bisenetformer-nano-camvid"
SIZE = (100, 140)
"""Is padded on both sides."""
FRAMES = load_verification_frames(SIZE)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "nano.onnx"
    options = ["--size", "100x140", "--task", "panoptic", "--engine", "openvino", "--dynamic-batch", "--bgr"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = main(["export", TRAINED, str(path), *options])
    assert code == 0, said.getvalue()
    return path


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_one_file_serves_both_tasks_as_pytorch_does(path: Path, name: str, task: str) -> None:
    engine = open_engine(path, task, name, "cpu", "fp32")
    assert (engine.task, engine.frame_size, engine.precision) == (task, SIZE, "fp32")
    reference = TorchEngine(find_model(TRAINED), task, "cpu", "fp32")
    results, expected = (each.segment(FRAMES, 0.5, 0.8) for each in (engine, reference))
    for ours, theirs in zip(results, expected, strict=True):
        assert (ours.label_map == theirs.label_map).mean() > 0.999
        assert np.abs(ours.confidence.astype(int) - theirs.confidence).mean() < 0.1
        assert [each.class_id for each in ours.segments] == [each.class_id for each in theirs.segments]
        assert (ours.panoptic_map is None) == (task == "semantic")
        assert ours.times_ms.postprocess > 0
    found = [len(engine.segment(FRAMES[:1], threshold, 0.8)[0].segments) for threshold in (0.1, 0.9999)]
    assert task == "semantic" or found[0] > found[1]


def test_the_metadata_name_the_outputs_of_the_file(path: Path) -> None:
    info, model = GraphInfo.load(path), onnx.load(path)
    assert [value.name for value in model.graph.input] == list(info.inputs) == ["frames"]
    assert [value.name for value in model.graph.output] == list(info.outputs) == ["class_logits", "mask_logits"]
    assert info.export_command()[-2:] == ("--engine", "openvino")


def test_a_file_that_does_not_say_ends_at_the_results(path: Path) -> None:
    info = GraphInfo.load(path)
    old = {name: text.replace(', "ends_at": "logits"', "") for name, text in info.to_strings().items()}
    assert GraphInfo.from_strings(old) == replace(info, ends_at="results")
    with pytest.raises(ModelError, match="ends at 'boxes', expected one of results, logits"):
        GraphInfo.from_strings(replace(info, ends_at="boxes").to_strings())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_kernels_the_graph_for_tensorrt_includes_post_processing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, figures = tmp_path / "nano.onnx", tmp_path / "figures.json"
    options = ["--size", "64x96", "--task", "semantic", "--engine", "tensorrt", "--json", str(figures)]
    assert main(["export", TRAINED, str(path), *options]) == 0
    assert GraphInfo.load(path).outputs == ("label_map", "confidence")
    words = capsys.readouterr().err
    assert "warning: the graph includes post-processing: " in words
    assert "its kernels cannot run: " in words
    assert "kernels" not in json.loads(figures.read_text())["task_warning"]
