"""Builds a TensorRT engine file from an exported graph, with a sidecar that describes it.

One code base for TensorRT 8.6 to 11: it checks the library for what a version lacks, not the version number.
"""

import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch

from bisenetformer_ros.atomic_write import write_atomically, write_together
from bisenetformer_ros.commands import quoted
from bisenetformer_ros.errors import ConfigError, EngineError
from bisenetformer_ros.inference.engines.capabilities import ENGINE_PRECISIONS
from bisenetformer_ros.inference.engines.tensorrt.engine import (
    cuda_device,
    error_log,
    has_typed_networks,
    load_tensorrt,
    this_platform,
)
from bisenetformer_ros.inference.engines.tensorrt.sidecar import Sidecar, digest, sidecar_path
from bisenetformer_ros.inference.engines.tensorrt.tensors import TensorSpec, numpy_type
from bisenetformer_ros.inference.graph.contract import FRAMES, GraphInfo

PRECISIONS = ("auto", *ENGINE_PRECISIONS["tensorrt"]["cuda"])
MAX_BATCH = 4
"""Default of the most frames per run, for graphs with a dynamic batch."""


class BuildProgress(Protocol):
    """Receives the progress of a build, in the thread that builds. TensorRT before 10.0 reports none.

    Attributes:
        cancelled: Set it to True, from any thread, to end the build soon; before TensorRT 10.0 a no-op.
    """

    cancelled: bool

    def phase_started(self, name: str, parent: str | None, num_steps: int) -> None: ...

    def step_done(self, name: str, step: int) -> None:
        """Step `step`, counted from 0, of the phase is done."""
        ...

    def phase_finished(self, name: str) -> None: ...


def build_engine(
    onnx_path: Path,
    engine_path: Path,
    progress: BuildProgress | None,
    precision: str = "auto",
    workspace_mib: int | None = None,
    timing_cache: Path | None = None,
    device: str = "auto",
    max_batch: int | None = None,
    dla_core: int | None = None,
) -> Sidecar:
    """Build an engine for a GPU of this machine; write the engine file and its sidecar atomically.

    Args:
        onnx_path: Graph of `bisenetformer export`.
        engine_path: File to write.
        progress: Receives the progress.
        precision: "auto" or that of the graph.
        workspace_mib: Limit of the scratch memory in MiB; None for that of the GPU.
        timing_cache: File of measurements that speed up the next build on this GPU; created if missing.
        device: "auto" (the first GPU), "cuda" or "cuda:N".
        max_batch: Most frames per run, for which the engine is optimized; by default 1, or MAX_BATCH for a graph with a
            dynamic batch.
        dla_core: Number of the deep learning accelerator of a Jetson that runs what it can of an fp16 graph; the GPU
            runs the rest.

    Raises:
        ModelError: For the graph.
        ConfigError: For the precision, or a batch or an accelerator that the graph cannot have.
        EngineError: If TensorRT, a GPU or the accelerator is missing, or TensorRT rejects the graph; lists its reasons.
    """
    graph = GraphInfo.load(onnx_path)
    _check_precision(graph, onnx_path, precision)
    max_batch = _check_batch(graph, onnx_path, max_batch)
    if dla_core is not None:
        _check_dla(graph, onnx_path)
    trt, gpu = load_tensorrt(), cuda_device(device)
    onnx_sha256 = digest(onnx_path.read_bytes())
    platform = this_platform(trt, gpu)
    with torch.cuda.device(gpu):
        serialized, tensors = _build(trt, onnx_path, graph, max_batch, dla_core, progress, workspace_mib, timing_cache)
    sidecar = Sidecar(
        engine_sha256=digest(serialized),
        onnx=os.path.relpath(onnx_path, engine_path.parent),
        onnx_sha256=onnx_sha256,
        graph=graph,
        platform=platform,
        max_batch=max_batch,
        tensors=tensors,
        dla_core=dla_core,
    )
    # The sidecar first, so that a node that polls for the engine file finds both.
    write_together({sidecar_path(engine_path): sidecar.content(), engine_path: serialized})
    return sidecar


def _build(
    trt: ModuleType,
    onnx_path: Path,
    graph: GraphInfo,
    max_batch: int,
    dla_core: int | None,
    progress: BuildProgress | None,
    workspace_mib: int | None,
    timing_cache: Path | None,
) -> tuple[memoryview, tuple[TensorSpec, ...]]:
    """Return the engine, and its inputs and outputs."""
    log = error_log(trt)
    trt.init_libnvinfer_plugins(log, "")
    builder = trt.Builder(log)
    network = _parse(trt, builder, log, onnx_path)
    config = _configure(trt, builder, graph, max_batch, workspace_mib, progress)
    if graph.precision == "fp16" and not has_typed_networks(trt):
        _allow_fp16(trt, network, config)
    if dla_core is not None:
        _use_dla(trt, builder, config, dla_core)
    if timing_cache:
        _load_timing_cache(config, timing_cache)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise EngineError(f"TensorRT {trt.__version__} could not build an engine of {onnx_path}: {log}")
    if timing_cache:
        cache = config.get_timing_cache()
        write_atomically(timing_cache, memoryview(cache.serialize()))
    return memoryview(serialized), _tensors(network)


def _check_precision(graph: GraphInfo, onnx_path: Path, precision: str) -> None:
    """From TensorRT 10.0 on, the graph decides the precision; here it does so with every version."""
    wanted = graph.precision if precision == "auto" else precision
    command = quoted(replace(graph, precision=wanted, symmetric=wanted == "int8").export_command(onnx_path))
    if wanted != graph.precision:
        raise ConfigError(
            f"{onnx_path} has precision {graph.precision}, expected {wanted}, as an engine has that of its graph; "
            f"export the graph again: {command}"
        )
    if graph.precision == "int8" and not graph.symmetric:
        raise ConfigError(
            f"{onnx_path} has unsigned activations with zero points, which are for CPUs; expected signed ones without, "
            f"as TensorRT requires; export the graph again: {command}"
        )


def _check_batch(graph: GraphInfo, onnx_path: Path, max_batch: int | None) -> int:
    if max_batch is None:
        return MAX_BATCH if graph.dynamic_batch else 1
    if max_batch > graph.max_batch:
        command = quoted(replace(graph, dynamic_batch=True).export_command(onnx_path))
        advice = f"export the graph again: {command}" if not graph.dynamic_batch else "choose a smaller one"
        raise ConfigError(f"{onnx_path} takes {graph.max_batch} frames per run at most, expected {max_batch}; {advice}")
    return max_batch


def _check_dla(graph: GraphInfo, onnx_path: Path) -> None:
    """Check that the graph has fixed shapes and fp16, as a DLA core computes in that or in int8 without quantizers."""
    if graph.precision != "fp16" or graph.dynamic_batch:
        found = f"{graph.precision}{' with a dynamic batch' if graph.dynamic_batch else ''}"
        fitting = replace(graph, precision="fp16", symmetric=False, dynamic_batch=False)
        raise ConfigError(
            f"{onnx_path} is in {found}, expected fp16 and one frame per run, as a DLA core takes; export the graph "
            f"again: {quoted(fitting.export_command(onnx_path))}"
        )


def _parse(trt: ModuleType, builder: Any, log: Any, onnx_path: Path) -> Any:
    """Parse the graph into a network."""
    if has_typed_networks(trt):
        flag = trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    else:
        flag = trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH
    network = builder.create_network(1 << int(flag))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx_path.read_bytes()):
        reasons = [f"\n  {parser.get_error(index)}" for index in range(parser.num_errors)]
        raise EngineError(f"TensorRT {trt.__version__} cannot read {onnx_path}: {''.join(reasons) or log}")
    return network


def _configure(
    trt: ModuleType,
    builder: Any,
    graph: GraphInfo,
    max_batch: int,
    workspace_mib: int | None,
    progress: BuildProgress | None,
) -> Any:
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # what is float32 in the graph needs more than the 10 bits of TF32
    if graph.precision == "int8" and not has_typed_networks(trt):
        config.set_flag(trt.BuilderFlag.INT8)  # without it, 8.6 refuses quantizers; the rest stays in float32
    if workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mib * 2**20)
    if graph.dynamic_batch:
        profile = builder.create_optimization_profile()
        profile.set_shape(FRAMES, *((batch, *graph.frame_size, 3) for batch in (1, max_batch, max_batch)))
        config.add_optimization_profile(profile)
    if progress and hasattr(trt, "IProgressMonitor"):
        config.progress_monitor = _monitor(trt, progress)
    return config


def _allow_fp16(trt: ModuleType, network: Any, config: Any) -> None:
    """Allow fp16 for a network without strong types, except for layers that take float32 in the graph.

    Casts and constants are left to TensorRT, as their values fit into fp16. Shapes and integers have no precision to
    set.
    """
    config.set_flag(trt.BuilderFlag.FP16)
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for layer in map(network.get_layer, range(network.num_layers)):
        inputs = [layer.get_input(index) for index in range(layer.num_inputs)]
        if layer.type in (trt.LayerType.CAST, trt.LayerType.SHAPE) or not any(_is_float32(trt, one) for one in inputs):
            continue
        layer.precision = trt.DataType.FLOAT
        for index in range(layer.num_outputs):
            if _is_float32(trt, layer.get_output(index)):  # comparisons give booleans
                layer.set_output_type(index, trt.DataType.FLOAT)


def _is_float32(trt: ModuleType, tensor: Any) -> bool:
    return tensor is not None and tensor.dtype == trt.DataType.FLOAT  # a layer may lack an optional input


def _use_dla(trt: ModuleType, builder: Any, config: Any, core: int) -> None:
    """Let a DLA core run what it can, and the GPU the rest."""
    if core >= builder.num_DLA_cores:
        raise EngineError(
            f"TensorRT {trt.__version__} finds {builder.num_DLA_cores} DLA cores here, expected core {core}, counted "
            "from 0; build without --dla-core for the GPU"
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _monitor(trt: ModuleType, progress: BuildProgress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined]
        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.phase_started(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress.step_done(phase_name, step)
            return not progress.cancelled

        def phase_finish(self, phase_name: str) -> None:
            progress.phase_finished(phase_name)

    return Monitor()


def _load_timing_cache(config: Any, path: Path) -> None:
    """Let the build use the measurements in a file; without the file, collect them anew."""
    cache = config.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    if cache is None or not config.set_timing_cache(cache, False):
        raise EngineError(
            f"{path} is not a timing cache of this TensorRT on this kind of GPU; delete it or use another file"
        )


def _tensors(network: Any) -> tuple[TensorSpec, ...]:
    """Describe the inputs and outputs of a network."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    return tuple(
        TensorSpec(tensor.name, is_input, numpy_type(tensor.dtype.name, tensor.name), tuple(tensor.shape))
        for is_input, tensors in ((True, inputs), (False, outputs))
        for tensor in tensors
    )
