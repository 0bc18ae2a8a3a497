"""Which engine `auto` chooses for a weights file, how it explains that, and what a named engine needs."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_engine import Clock
from small_graph import SIZE, write_graph

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines import measuring, opening
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.choosing import FastestChooser, no_files
from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.openvino import OpenVinoEngine
from bisenetformer_ros.inference.engines.switching import explain_choice
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.inference.graph.cache import cache_folder, graph_name
from bisenetformer_ros.results import SegmentationResult

pytest.importorskip("openvino", reason="OpenVINO is not installed")

FRAME = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
RED = np.full((*SIZE, 3), 200, np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder()
    folder.mkdir()
    return folder


def put_graph(folder: Path, weights: Path, precision: str = "fp32", task: str = "semantic") -> Path:
    """A graph under the name of one built from `weights`; it only sees red."""
    path = folder / graph_name(weights, task, SIZE, precision)
    return write_graph(path, precision, dynamic_batch=False, task=task)


@pytest.fixture
def known_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO is the fastest engine, PyTorch the slowest, and every engine agrees with every other one."""
    clock = Clock()
    seconds = {TorchEngine: 0.03, OnnxRuntimeEngine: 0.02, OpenVinoEngine: 0.01}
    for kind in seconds:

        def segment(
            self: Engine,
            *arguments: Any,
            original: Callable[..., Any] = kind.segment,
            took: float = seconds[kind],
        ) -> list[SegmentationResult]:
            clock.advance(took)
            return original(self, *arguments)

        monkeypatch.setattr(kind, "segment", segment)
    monkeypatch.setattr(measuring, "MIN_LABELS", dict.fromkeys(measuring.MIN_LABELS, 0.0))
    monkeypatch.setattr(FastestChooser.__init__, "__defaults__", (no_files, clock))


@pytest.mark.usefixtures("known_speed")
def test_of_the_engines_with_a_graph_for_a_size_the_fastest_serves_it(cache: Path, random_weights: Path) -> None:
    put_graph(cache, random_weights)
    engine = open_engine(random_weights, "semantic", device="cpu", precision="fp32")
    engine.segment([FRAME], 0.5, 0.5)
    assert explain_choice(engine) == (
        "openvino on cpu, fp32; measured here: torch fp32 30.0 ms, openvino fp32 10.0 ms, onnxruntime fp32 20.0 ms"
    )
    assert (engine.segment([RED], 0.5, 0.5)[0].label_map == 1).all()
    engine.segment([np.full((32, 32, 3), 9, np.uint8)], 0.5, 0.5)
    assert engine.name == "torch"


@pytest.mark.usefixtures("known_speed")
def test_of_the_engines_that_open_a_graph_the_fastest_serves(cache: Path, tmp_path: Path) -> None:
    engine = open_engine(
        write_graph(tmp_path / "red.onnx", "fp32", dynamic_batch=False), device="cpu", precision="fp32"
    )
    assert (engine.segment([RED], 0.5, 0.5)[0].label_map == 1).all()
    engine.segment([FRAME], 0.5, 0.5)
    assert explain_choice(engine) == (
        "openvino on cpu, fp32; measured here: openvino fp32 10.0 ms, onnxruntime fp32 20.0 ms"
    )


def test_a_graph_that_disagrees_with_pytorch_does_not_serve(cache: Path, random_weights: Path) -> None:
    put_graph(cache, random_weights)
    engine = open_engine(random_weights, "semantic", device="cpu", precision="fp32")
    engine.segment([FRAME], 0.5, 0.5)
    assert engine.name == "torch"
    assert re.search(
        r"openvino fp32 [\d.]+ ms, but [\d.]+ % of its labels agree \(required: 99.9 %\)", explain_choice(engine)
    )


@pytest.mark.parametrize(("computes", "precisions"), [(True, ["fp32", "bf16"]), (False, ["fp32"])])
def test_pytorch_is_measured_in_bf16_where_the_processor_computes_it(
    random_weights: Path, computes: bool, precisions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "computes_bf16", lambda: computes)
    engine = open_engine(random_weights, "semantic", "torch", "cpu")
    for _ in range(2):  # a measurement that ran out of time on a busy machine is completed by the second
        engine.segment([FRAME], 0.5, 0.5)
    measured = re.findall(r"torch (\w+) [\d.]+ ms", explain_choice(engine))
    assert measured == (precisions if computes else [])


def test_without_a_graph_pytorch_serves_and_the_command_is_reported(cache: Path, random_weights: Path) -> None:
    engine = open_engine(random_weights, "semantic", device="cpu", precision="fp32")
    engine.segment([FRAME], 0.5, 0.5)
    path = cache / graph_name(random_weights, "semantic", SIZE, "fp32")
    command = (
        f"bisenetformer export {random_weights} {path} --size 6x8 --task semantic --precision fp32 --engine openvino"
    )
    assert explain_choice(engine) == (
        f"torch on cpu, fp32; openvino has no file for frames of this size (to build it: `{command}`)"
    )


def test_a_damaged_graph_is_passed_over_and_reported(cache: Path, random_weights: Path) -> None:
    path = put_graph(cache, random_weights)
    path.write_bytes(path.read_bytes()[:100])
    engine = open_engine(random_weights, "semantic", device="cpu", precision="fp32")
    engine.segment([FRAME], 0.5, 0.5)
    words = explain_choice(engine)
    assert words.startswith("torch on cpu, fp32; ")
    assert "; openvino does not work: " in words


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_the_command_for_a_cpu_names_its_engine(random_weights: Path, task: str) -> None:
    engine = open_engine(random_weights, task, device="cpu", precision="fp32")
    engine.segment([FRAME], 0.5, 0.5)
    assert f"--task {task} --precision fp32 --engine openvino`)" in explain_choice(engine)


def test_a_graph_of_other_weights_has_another_name(cache: Path, random_weights: Path, tmp_path: Path) -> None:
    changed = tmp_path / random_weights.name
    changed.write_bytes(random_weights.read_bytes() + b" ")
    assert graph_name(changed, "semantic", SIZE, "fp32") != graph_name(random_weights, "semantic", SIZE, "fp32")


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_named_engine_opens_the_graphs_of_the_weights(cache: Path, random_weights: Path, name: str) -> None:
    put_graph(cache, random_weights)
    engine = open_engine(random_weights, "semantic", name, "cpu")
    assert engine.segment([RED], 0.5, 0.5)[0].label_map.all()
    assert (engine.name, engine.frame_size) == (name, SIZE)
    with pytest.raises(EngineError, match=r"frames of 32x32 \(height x width\); build it: `bisenetformer export"):
        engine.segment([np.zeros((32, 32, 3), np.uint8)], 0.5, 0.5)


def test_suffixes_may_be_in_upper_case(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "red.onnx", "fp32", dynamic_batch=False).rename(tmp_path / "RED.ONNX")
    assert open_engine(path, device="cpu").frame_size == SIZE


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_the_task_of_a_graph_is_the_default(cache: Path, random_weights: Path, task: str) -> None:
    assert open_engine(put_graph(cache, random_weights, task=task), device="cpu").task == task


def test_the_task_of_the_weights_selects_their_graph(cache: Path, semantic_weights: Path) -> None:
    put_graph(cache, semantic_weights, task="panoptic")
    put_graph(cache, semantic_weights, task="semantic")
    assert open_engine(semantic_weights, engine="onnxruntime", device="cpu").task == "semantic"
    with pytest.raises(EngineError, match=r"build one .* --task semantic"):
        open_engine(semantic_weights, engine="onnxruntime", device="cpu", precision="int8")


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_named_engine_without_a_graph_is_an_error_with_the_command(random_weights: Path, name: str) -> None:
    words = f"engine {name} has no file of {re.escape(random_weights.name)} for the panoptic task; build one"
    with pytest.raises(EngineError, match=words):
        open_engine(random_weights, "panoptic", name, "cpu")


def test_an_int8_graph_is_opened_on_request(cache: Path, random_weights: Path) -> None:
    put_graph(cache, random_weights, "int8")
    assert open_engine(random_weights, "semantic", "openvino", "cpu", "int8").precision == "int8"


def test_the_command_for_int8_asks_for_images(random_weights: Path) -> None:
    with pytest.raises(EngineError, match="--precision int8 --calibrate IMAGES"):
        open_engine(random_weights, "semantic", "openvino", "cpu", "int8")


def test_openvino_on_a_gpu_is_rejected_before_a_file_is_asked_for(random_weights: Path) -> None:
    with pytest.raises(EngineError, match="only runs on the CPU"):
        open_engine(random_weights, "semantic", "openvino", "cuda")


@pytest.mark.parametrize("folder", [os.devnull, "/proc/nobody"])
def test_a_cache_folder_that_cannot_exist_is_one_without_files(
    random_weights: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    engine = open_engine(random_weights, "semantic", device="cpu", precision="fp32")
    engine.segment([FRAME], 0.5, 0.5)
    assert explain_choice(engine).startswith("torch on cpu, fp32; openvino has no file for frames of this size")
    with pytest.raises(EngineError, match="engine onnxruntime has no file of"):
        open_engine(random_weights, "semantic", "onnxruntime", "cpu")
