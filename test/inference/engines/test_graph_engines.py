"""ONNX Runtime and OpenVINO on a graph small enough to predict its outputs, and on what they cannot run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_graph import AREA, SIZE, write_graph

from bisenetformer_ros.errors import EngineError, InputError, ModelError
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.graph.contract import GraphInfo

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("openvino", reason="OpenVINO is not installed")

ENGINES = ("onnxruntime", "openvino")


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["semantic", "panoptic"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "red.onnx"
    return write_graph(path, "fp32", dynamic_batch=False, task=request.param)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, graph: Path) -> Engine:
    return open_engine(graph, GraphInfo.load(graph).task, request.param, "cpu")


def test_its_attributes_describe_it(engine: Engine) -> None:
    assert (engine.device, engine.frame_size, engine.metadata.name) == ("cpu", SIZE, "red")
    assert engine.precision in ({"fp32"} if engine.name == "onnxruntime" else {"fp32", "bf16"})


def test_labels_and_segments_come_out(engine: Engine) -> None:
    frame = picture()
    red = frame[..., 0] >= 128
    (result,) = engine.segment([frame], 0.6, 0.8)
    np.testing.assert_array_equal(result.label_map[red], 1)
    if engine.task == "semantic":
        np.testing.assert_array_equal(result.label_map[~red], 0)
        assert np.abs(result.confidence.astype(int) - frame[..., 1]).max() <= 1
    else:
        np.testing.assert_array_equal(result.label_map[~red], 255)
        (segment,) = result.segments
        assert (segment.class_id, segment.area) == (1, AREA)
        assert segment.score == pytest.approx(0.6, abs=0.003)
    assert result.times_ms.inference > 0


def test_several_frames_come_out_in_order_also_where_a_run_takes_one(engine: Engine) -> None:
    frames = [picture(seed) for seed in range(3)]
    for frame, result in zip(frames, engine.segment(frames, 0.6, 0.8), strict=True):
        np.testing.assert_array_equal(result.label_map == 1, frame[..., 0] >= 128)


@pytest.mark.parametrize("name", ENGINES)
def test_a_graph_for_bgr_gets_bgr_frames(tmp_path: Path, name: str) -> None:
    path = write_graph(tmp_path / "first.onnx", "fp32", dynamic_batch=True)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, replace(GraphInfo.load(path), colours="bgr").to_strings())
    onnx.save(model, str(path))
    frames = [picture(0), picture(1)]
    for frame, result in zip(frames, open_engine(path, "semantic", name).segment(frames, 0.5, 0.5), strict=True):
        np.testing.assert_array_equal(result.label_map == 1, frame[..., 2] >= 128)


def test_another_size_is_an_error_with_both_sizes_and_the_command(engine: Engine) -> None:
    frame = np.zeros((12, 16, 3), np.uint8)
    with pytest.raises(EngineError, match=r"6x8 .* got 12x16; .* --size 12x16 --task " + engine.task):
        engine.segment([frame], 0.5, 0.5)
    with pytest.raises(InputError):
        engine.segment([frame[..., 0]], 0.5, 0.5)


@pytest.mark.parametrize("name", ["auto", *ENGINES])
def test_another_task_is_an_error_that_names_the_command_once(tmp_path: Path, name: str) -> None:
    path = write_graph(tmp_path / "red.onnx", "fp32", dynamic_batch=False)
    with pytest.raises(EngineError, match="for the semantic task, expected the panoptic task") as error:
        open_engine(path, "panoptic", name)
    other = tmp_path / "red-panoptic-6x8-fp32.onnx"
    assert str(error.value).count(f"bisenetformer export WEIGHTS {other} --size 6x8 --task panoptic") == 1


@pytest.mark.parametrize("name", ["auto", *ENGINES])
@pytest.mark.parametrize("kept", [0, 100, 700])
def test_a_truncated_file_is_an_error_with_the_command(tmp_path: Path, name: str, kept: int) -> None:
    path = write_graph(tmp_path / "red.onnx", "fp32", dynamic_batch=False)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"red\.onnx: expected a graph written by `bisenetformer export`"):
        open_engine(path, "semantic", name)


@pytest.mark.parametrize(
    ("name", "device", "precision", "words"),
    [
        ("openvino", "cuda", "auto", "only runs on the CPU; set device to auto or cpu"),
        ("openvino", "auto", "fp16", "on cpu, expected one of auto, fp32, bf16, int8; .* set engine to onnxruntime"),
        ("openvino", "auto", "int8", "has precision fp32, expected int8; set precision to auto"),
        ("onnxruntime", "tpu", "auto", "expected auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N"),
        ("onnxruntime", "cpu", "fp16", "has precision fp32, expected fp16; set precision to auto"),
        ("torch", "cpu", "auto", "opens weights files"),
        ("tensorrt", "cpu", "auto", "bisenetformer build-engine"),
    ],
)
def test_unsupported_options_are_rejected(tmp_path: Path, name: str, device: str, precision: str, words: str) -> None:
    path = write_graph(tmp_path / "red.onnx", "fp32", dynamic_batch=False)
    with pytest.raises(EngineError, match=words):
        open_engine(path, "semantic", name, device, precision)
