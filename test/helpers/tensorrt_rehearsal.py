"""`python tensorrt_rehearsal.py rehearse|logits|interrupt DIRECTORY`: our TensorRT code on real bindings, to labels.

To be run with the bindings of one version and their stubs on the path (see tensorrt_wheels.py); tensorrt_stage.py says
what is real and what is played. Builds engines of small graphs, opens them and segments with them. Memory of the GPU is
memory of this process; what the network computes is computed by ONNX Runtime, from the addresses and into the addresses
that our code handed to TensorRT. Prints what was seen as JSON.
"""

import contextlib
import ctypes
import json
import logging.handlers
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tensorrt_bindings
import torch
from onnx import TensorProto
from small_graph import AREA, CLASS_LOGITS, SIZE, write_graph, write_logits_graph
from tensorrt_stage import Stage

from bisenetformer_ros.cli import build_engine
from bisenetformer_ros.cli.__main__ import main as command_line
from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.tensorrt import build as export
from bisenetformer_ros.inference.engines.tensorrt import engine as runtime
from bisenetformer_ros.inference.engines.tensorrt.sidecar import Sidecar
from bisenetformer_ros.inference.engines.tensorrt.tensors import numpy_type
from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.inference.graph.runs import graph_inputs
from bisenetformer_ros.inference.postprocess import postprocess_panoptic, postprocess_semantic
from bisenetformer_ros.inference.preprocess import plan_geometry
from bisenetformer_ros.results import UNLABELED

CAMERAS = 3
GPU = torch.device("cpu")
CURRENT_DEVICE: list[torch.device] = []
"""Of PyTorch, on which TensorRT builds and runs."""
CAN_RECORD = [True]
RECORDED: list[Any] = []
REPLAYED: list[Any] = []
ELEMENT_TYPES = {
    TensorProto.UINT8: "UINT8",
    TensorProto.FLOAT: "FLOAT",
    TensorProto.FLOAT16: "HALF",
    TensorProto.BOOL: "BOOL",
    TensorProto.INT64: "INT32",
}
"""By the parser of 8.6, the only version whose layers are asked for."""
LAYER_TYPES = {"Cast": "CAST", "Shape": "SHAPE", "Constant": "CONSTANT"}


class Play:
    """What TensorRT would do in one session: from parsing a graph to running the engine of it."""

    def __init__(self, graph: Path) -> None:
        self.session = onnxruntime.InferenceSession(str(graph))
        self.graph = graph.read_bytes()
        self.monitor: Any = None
        self.addresses: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.profile: tuple[tuple[int, ...], ...] = ()
        self.flags: list[str] = []
        self.pinned: dict[str, list[str | int]] = {}
        self.dla: dict[str, Any] = {}
        self.stage = Stage(tensorrt_bindings, self.answers())

    def answers(self) -> dict[str, Any]:
        model = onnx.load_from_string(self.graph)
        tensors = [*model.graph.input, *model.graph.output]
        names = [tensor.name for tensor in tensors]
        num_inputs = len(model.graph.input)
        played: dict[int, Any] = {}

        elements = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        layers = [onnx.helper.make_node("Constant", [], [name]) for name in elements] + [*model.graph.node]
        inferred = onnx.shape_inference.infer_shapes(model).graph
        elements |= {value.name: value.type.tensor_type.elem_type for value in [*tensors, *inferred.value_info]}

        def play(role: Any, real: type = tensorrt_bindings.ITensor) -> Any:
            actor = self.stage.understudy(real)
            played[id(actor)] = (actor, role)
            return actor

        def role(actor: Any) -> Any:
            return played[id(actor)][1]

        def dtype(name: str) -> Any:
            return getattr(tensorrt_bindings.DataType, ELEMENT_TYPES[elements[name]])

        def pin(layer: Any, dtype: Any, what: str | int) -> None:
            assert dtype == tensorrt_bindings.DataType.FLOAT
            self.pinned.setdefault(role(layer).output[0], []).append(what)

        def shape(index: int) -> Any:
            dimensions = tensors[index].type.tensor_type.shape.dim
            return tensorrt_bindings.Dims([d.dim_value or -1 for d in dimensions])

        modes = tensorrt_bindings.TensorIOMode
        return {
            "OnnxParser.parse": lambda parser, content: bytes(content) == self.graph,
            "INetworkDefinition.num_inputs": num_inputs,
            "INetworkDefinition.num_outputs": len(tensors) - num_inputs,
            "INetworkDefinition.get_input": lambda network, index: play(names[index]),
            "INetworkDefinition.get_output": lambda network, index: play(names[num_inputs + index]),
            "INetworkDefinition.num_layers": len(layers),
            "INetworkDefinition.get_layer": lambda network, index: play(layers[index], tensorrt_bindings.ILayer),
            "ILayer.type": lambda layer: getattr(
                tensorrt_bindings.LayerType, LAYER_TYPES.get(role(layer).op_type, "ELEMENTWISE")
            ),
            "ILayer.num_inputs": lambda layer: len(role(layer).input) + 1,
            "ILayer.get_input": lambda layer, index: play(name) if (name := [*role(layer).input, ""][index]) else None,
            "ILayer.num_outputs": lambda layer: len(role(layer).output),
            "ILayer.get_output": lambda layer, index: play(role(layer).output[index]),
            "ILayer.precision": lambda layer, dtype: pin(layer, dtype, "precision"),
            "ILayer.set_output_type": lambda layer, index, dtype: pin(layer, dtype, index),
            "ITensor.name": role,
            "ITensor.dtype": lambda tensor: dtype(role(tensor)),
            "ITensor.shape": lambda tensor: shape(names.index(role(tensor))),
            "IBuilderConfig.progress_monitor": self.hear_monitor,
            "IBuilderConfig.set_flag": lambda config, flag: self.flags.append(flag.name),
            "IBuilderConfig.default_device_type": lambda config, device: self.dla.update(device=device.name),
            "IBuilderConfig.DLA_core": lambda config, core: self.dla.update(built_for=core),
            "Runtime.DLA_core": lambda runtime, core: self.dla.update(run_on=core),
            "IBuilderConfig.add_optimization_profile": 0,
            "IOptimizationProfile.set_shape": self.set_profile,
            "Builder.build_serialized_network": self.build,
            "ITimingCache.serialize": b"measurements",
            "ICudaEngine.num_io_tensors": len(tensors),
            "ICudaEngine.get_tensor_name": lambda engine, index: names[index],
            "ICudaEngine.get_tensor_mode": lambda engine, name: (
                modes.INPUT if names.index(name) < num_inputs else modes.OUTPUT
            ),
            "ICudaEngine.get_tensor_dtype": lambda engine, name: dtype(name),
            "ICudaEngine.get_tensor_shape": lambda engine, name: shape(names.index(name)),
            "IExecutionContext.set_tensor_address": self.set_address,
            "IExecutionContext.set_input_shape": self.set_shape,
            "IExecutionContext.execute_async_v3": self.execute,
        }

    def set_profile(self, profile: Any, name: str, *shapes: tuple[int, ...]) -> None:
        self.profile = shapes

    def hear_monitor(self, config: Any, monitor: Any) -> None:
        self.monitor = monitor

    def build(self, builder: Any, network: Any, config: Any) -> bytes:
        """Tells the monitor of two phases, through the bindings' own way from C++ to Python."""
        assert CURRENT_DEVICE == [GPU]
        if self.monitor is not None:
            interface = tensorrt_bindings.IProgressMonitor
            interface.phase_start(self.monitor, "building", None, 1)
            interface.phase_start(self.monitor, "tactics", "building", 2)
            assert interface.step_complete(self.monitor, "tactics", 0) is True
            interface.phase_finish(self.monitor, "tactics")
            interface.phase_finish(self.monitor, "building")
        return b"an engine"

    def set_address(self, context: Any, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_shape(self, context: Any, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = tuple(shape)
        return True

    def execute(self, context: Any, stream: int) -> bool:
        assert CURRENT_DEVICE == [GPU]
        inputs = {}
        for tensor in self.session.get_inputs():
            dtype = np.uint8 if tensor.type == "tensor(uint8)" else np.float32
            inputs[tensor.name] = np.empty(self.shapes[tensor.name], dtype)
            ctypes.memmove(inputs[tensor.name].ctypes.data, self.addresses[tensor.name], inputs[tensor.name].nbytes)
        outputs = self.session.run(None, inputs)
        for tensor, array in zip(self.session.get_outputs(), outputs, strict=True):
            ctypes.memmove(self.addresses[tensor.name], np.ascontiguousarray(array).ctypes.data, array.nbytes)
        return True


class HostMemory(runtime.GpuMemory):
    """The same on the host: two places per tensor, no pinning, no stream."""

    stream_handle = 1
    on_stream = contextlib.nullcontext

    def __init__(self, tensors: Any, max_batch: int, device: Any) -> None:
        sizes = {spec.name: spec.num_bytes(max_batch) for spec in tensors}
        self._host, self._device = (
            {name: torch.zeros(size, dtype=torch.uint8) for name, size in sizes.items()} for _ in range(2)
        )

    def record(self, enqueue: Any) -> Any:
        """Where CUDA would record: runs once, and fails for an engine that cannot be recorded."""
        enqueue()
        RECORDED.append(enqueue)
        if not CAN_RECORD[-1]:
            raise RuntimeError("operation not permitted when stream is capturing")
        return lambda: REPLAYED.append(enqueue) or enqueue()

    def finish(self) -> None: ...

    def _copy(self, to: Any, source: Any, name: str, size: int) -> None:
        to[name][:size] = source[name][:size]


class Progress:
    """Keeps the progress of the build."""

    cancelled = False

    def __init__(self) -> None:
        self.heard: list[list] = []

    def phase_started(self, *arguments: Any) -> None:
        self.heard.append(["started", *arguments])

    def step_done(self, *arguments: Any) -> None:
        self.heard.append(["step", *arguments])

    def phase_finished(self, *arguments: Any) -> None:
        self.heard.append(["finished", *arguments])


@contextlib.contextmanager
def current_device(device: torch.device) -> Iterator[None]:
    CURRENT_DEVICE.append(device)
    try:
        yield
    finally:
        CURRENT_DEVICE.remove(device)


def pretend_a_gpu() -> None:
    """The places where our code asks PyTorch for the GPU, its memory and its name."""
    properties = types.SimpleNamespace(
        name="stage", major=8, minor=7, multi_processor_count=16, total_memory=62 * 2**30
    )
    torch.cuda.get_device_properties = lambda device: properties
    torch.cuda.device = current_device
    runtime.cuda_device = export.cuda_device = lambda device: GPU
    runtime.GpuMemory = HostMemory


@dataclass
class Scene:
    """A graph, and what TensorRT does with it. lines: answers other than `Play`'s. dla_core: see `build_engine`."""

    graph: Path
    lines: dict[str, Any] = field(default_factory=dict)
    dla_core: int | None = None
    segment: Callable[[runtime.TensorRTEngine, int], None] = lambda engine, batch: segment_random_frames(engine, batch)

    def rehearse(self, hidden: str | None = None) -> tuple[Play, Progress]:
        """Builds an engine of the graph, opens it and runs it on random frames, whose labels must come out.

        hidden: what the library shall lack. Lets errors pass, with all that was used until then as `error.used`.
        """
        play, progress = Play(self.graph), Progress()
        play.stage.answers.update(self.lines)
        play.stage.hidden = hidden
        sys.modules["tensorrt"] = play.stage
        try:
            engine_path, timings = self.graph.with_suffix(".engine"), self.graph.with_suffix(".timings")
            timings.unlink(missing_ok=True)
            max_batch = CAMERAS if GraphInfo.load(self.graph).dynamic_batch else None
            sidecar = export.build_engine(
                self.graph,
                engine_path,
                progress,
                workspace_mib=64,
                timing_cache=timings,
                max_batch=max_batch,
                dla_core=self.dla_core,
            )
            assert timings.read_bytes() == b"measurements"
            engine = runtime.TensorRTEngine(engine_path, sidecar.graph.task)
            assert (engine.precision, engine.device) == (sidecar.graph.precision, "cpu")
            self.segment(engine, max_batch or 1)
        except Exception as error:
            error.used = play.stage.used
            raise
        return play, progress

    def refusal(self) -> EngineError:
        """What `lines` lead to."""
        try:
            self.rehearse()
        except EngineError as error:
            return error
        raise AssertionError(f"nothing was refused with {self.lines}")

    def needs(self, name: str) -> bool:
        """Whether our code stops with an AttributeError if the library lacks `name`."""
        try:
            self.rehearse(hidden=name)
        except AttributeError:
            return True
        except EngineError:
            return False
        return False


def segment_random_frames(engine: runtime.TensorRTEngine, batch: int) -> None:
    """See small_graph.py for what has to come out. One frame more than fits into a batch."""
    for seed in (0, 1):
        frames = list(np.random.default_rng(seed).integers(0, 256, (batch + 1, *SIZE, 3), np.uint8))
        results = engine.segment(frames, 0.25, 0.0)
        for frame, result in zip(frames, results, strict=True):
            is_red = frame[..., 0] >= 128
            np.testing.assert_array_equal(result.confidence, frame[..., 1])
            if engine.task == "semantic":
                np.testing.assert_array_equal(result.label_map, is_red)
            else:
                np.testing.assert_array_equal(result.label_map, np.where(is_red, 1, UNLABELED))
                (segment,) = result.segments
                assert (segment.class_id, segment.score, segment.area) == (1, 0.25, AREA)


def scenes(directory: Path) -> tuple[list[Scene], dict[str, Scene]]:
    """Those that end well, and those that TensorRT refuses."""
    single = write_graph(directory / "single.onnx", "fp16", dynamic_batch=False)
    batch = write_graph(directory / "batch.onnx", "fp32", dynamic_batch=True)
    reasons = ["In node 3: no importer for Foo", "In node 5: INT64 is not supported"]
    parser_errors = {
        "OnnxParser.parse": False,
        "OnnxParser.num_errors": len(reasons),
        "OnnxParser.get_error": lambda parser, index: reasons[index],
    }
    refused = {
        "parse": parser_errors,
        "build": {"Builder.build_serialized_network": None},
        "timings": {"IBuilderConfig.set_timing_cache": False},
        "load": {"Runtime.deserialize_cuda_engine": None},
        "prepare": {"ICudaEngine.create_execution_context": None},
        "run": {"IExecutionContext.execute_async_v3": False},
        "wrong": {"IExecutionContext.execute_async_v3": True},
        "tensors": {"ICudaEngine.get_tensor_shape": tensorrt_bindings.Dims((1, 2, 3))},
    }
    panoptic = write_graph(directory / "panoptic.onnx", "fp32", dynamic_batch=False, task="panoptic")
    int8 = write_graph(directory / "int8.onnx", "int8", dynamic_batch=False, symmetric=True)
    cores = {"Builder.num_DLA_cores": 2}
    dla = write_graph(directory / "dla.onnx", "fp16", dynamic_batch=False)  # a DLA core needs fp16
    good = [Scene(single), Scene(batch), Scene(panoptic), Scene(int8), Scene(dla, cores, dla_core=1)]
    bad = {name: Scene(single, lines) for name, lines in refused.items()}
    bad["dla"] = Scene(single, cores, dla_core=2)
    return good, bad


def element_types() -> dict[str, str | None]:
    """Every type of TensorRT → numpy's name, None where our code refuses it."""
    types: dict[str, str | None] = {}
    for name in tensorrt_bindings.DataType.__members__:
        try:
            types[name] = numpy_type(name, "x")
        except EngineError:
            types[name] = None
    return types


def logged() -> dict[str, list[str]]:
    """What our logger keeps and logs of messages of every severity, said through the bindings' way from C++ to Python:
    one message of each twice, and then more errors than are kept."""
    log, handler = runtime.error_log(tensorrt_bindings), logging.handlers.BufferingHandler(1000)
    logging.getLogger("bisenetformer_ros").addHandler(handler)

    def say(severity: str, message: str) -> None:
        tensorrt_bindings.ILogger.log(log, tensorrt_bindings.ILogger.Severity.__members__[severity], message)

    for severity in [*tensorrt_bindings.ILogger.Severity.__members__] * 2:
        say(severity, f"said as {severity}")
    first = list(log.errors)
    for number in range(100):
        say("ERROR", f"error {number}")
    logging.getLogger("bisenetformer_ros").removeHandler(handler)
    return {"first": first, "last": list(log.errors), "logged": [record.getMessage() for record in handler.buffer]}


def golden_checks(graph: Path) -> list[str]:
    """What the engine of `graph`, open before, says when it is opened once more, and then of a new build: each time
    without its graph, with which it could be compared."""
    path, said = graph.with_suffix(".engine"), []
    sys.modules["tensorrt"] = Play(graph).stage
    hidden = graph.rename(graph.with_suffix(".hidden"))
    for remembered in (True, False):
        sidecar = Sidecar.load(path)
        if not remembered:
            replace(sidecar, golden=None).save(path)
        try:
            runtime.TensorRTEngine(path, "semantic")
            said.append(sidecar.golden.finding)
        except EngineError as error:
            said.append(str(error))
    hidden.rename(graph)
    return said


def rehearse_recording(scene: Scene) -> list[bool]:
    """Whether the engine of a scene was recorded, whether frames ran as the recording; and again if CUDA refuses."""
    seen = []
    for can_record in (True, False):
        CAN_RECORD.append(can_record)
        RECORDED.clear(), REPLAYED.clear()
        scene.rehearse()
        seen += [bool(RECORDED), bool(REPLAYED)]
    CAN_RECORD.append(True)
    return seen


def main(directory: Path) -> None:
    good, refused = scenes(directory)
    seen = [scene.rehearse() for scene in good]
    recordings = {scene.graph.stem: rehearse_recording(scene) for scene in good[:2]}
    files = sorted(path.name for path in directory.iterdir())
    golden = golden_checks(good[0].graph)
    refusals = {name: scene.refusal() for name, scene in refused.items()}
    used = set().union(*(play.stage.used for play, _ in seen), *(error.used for error in refusals.values()))
    everything = [*good, refused["parse"]]
    report = {
        "version": tensorrt_bindings.__version__,
        "used": sorted(used),
        "not_needed": sorted(name for name in used if not any(scene.needs(name) for scene in everything)),
        "refusals": {name: str(error) for name, error in refusals.items()},
        "progress": seen[0][1].heard,
        "types": element_types(),
        "log": logged(),
        "profile": seen[1][0].profile,
        "flags": {scene.graph.stem: play.flags for scene, (play, _) in zip(good, seen, strict=True)},
        "dla": {scene.graph.stem: play.dla for scene, (play, _) in zip(good, seen, strict=True)},
        "pinned": {scene.graph.stem: play.pinned for scene, (play, _) in zip(good, seen, strict=True)},
        "errors_print_themselves": "__str__" in vars(tensorrt_bindings.ParserError),
        "files": files,
        "golden": golden,
        "recordings": recordings,
    }
    print(json.dumps(report))


def segment_to_logits(engine: runtime.TensorRTEngine, batch: int) -> None:
    """The results are those of the tiled post-processing of the logits that small_graph.py describes."""
    geometry, labels = plan_geometry(SIZE, None), engine.metadata.labels
    classes = torch.tensor(CLASS_LOGITS)
    frames = list(np.random.default_rng(0).integers(0, 256, (batch + 1, *SIZE, 3), np.uint8))
    for threshold in (0.5, 0.95):  # above the score of the second query
        for frame, found in zip(frames, engine.segment(frames, threshold, 0.0), strict=True):
            masks = torch.from_numpy(frame[:4, :4, :2].astype(np.float32)).permute(2, 0, 1) - 100
            if engine.task == "semantic":
                expected = postprocess_semantic(classes, masks, geometry, labels)
            else:
                expected = postprocess_panoptic(classes, masks, geometry, labels, threshold, 0.0)
                np.testing.assert_array_equal(found.panoptic_map, expected.panoptic_map)
            np.testing.assert_array_equal(found.label_map, expected.label_map)
            assert np.abs(found.confidence.astype(int) - expected.confidence).max() <= 1
            assert [segment.area for segment in found.segments] == [segment.area for segment in expected.segments]


def logits(directory: Path) -> None:
    """Engines of graphs that end at the logits. Kernels post-process where they run, in Triton's interpreter."""
    report = {}
    for task in ("semantic", "panoptic"):
        for dynamic_batch in (False, True):
            path = write_logits_graph(directory / f"{task}-{dynamic_batch}.onnx", task, dynamic_batch)
            RECORDED.clear()
            opened = []

            def segment(engine: runtime.TensorRTEngine, batch: int, opened: list[Any] = opened) -> None:
                segment_to_logits(engine, batch)
                opened.append(
                    [engine.run(graph_inputs([np.zeros((*SIZE, 3), np.uint8)], engine.graph, 0.5)), engine.warning]
                )

            Scene(path, segment=segment).rehearse()
            ((outputs, warning),) = opened
            tensors = [spec.name for spec in Sidecar.load(path.with_suffix(".engine")).tensors]
            report[path.stem] = [tensors, list(outputs), warning, bool(RECORDED)]
    print(json.dumps(report))


def interrupt(directory: Path) -> None:
    """`bisenetformer build-engine`, and Ctrl-C in the middle of the build; ends with the command's exit code."""
    graph = write_graph(directory / "single.onnx", "fp16", dynamic_batch=False)
    play = Play(graph)

    def build_for_ever(builder: Any, network: Any, config: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        if play.monitor is None:
            threading.Event().wait()
        interface = tensorrt_bindings.IProgressMonitor
        interface.phase_start(play.monitor, "tactics", None, 1000)
        while interface.step_complete(play.monitor, "tactics", 0):
            time.sleep(0.01)

    play.stage.answers["Builder.build_serialized_network"] = build_for_ever
    sys.modules["tensorrt"] = play.stage
    if not hasattr(tensorrt_bindings, "IProgressMonitor"):
        build_engine.CANCEL_WITHIN_S = 0.1  # nothing comes of waiting
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(command_line(["build-engine", str(graph), str(directory / "single.engine")]))


if __name__ == "__main__":
    pretend_a_gpu()
    {"rehearse": main, "interrupt": interrupt, "logits": logits}[sys.argv[1]](Path(sys.argv[2]))
