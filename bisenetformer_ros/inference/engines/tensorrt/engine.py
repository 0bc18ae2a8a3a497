"""TensorRT on an NVIDIA GPU: runs an engine file of `bisenetformer build-engine`.

One code base for TensorRT 8.6 to 11: it only makes calls that all of them have, and addresses tensors by name.
TensorRT is only imported when an engine is opened or built.
"""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.errors import EngineError, InferenceError
from bisenetformer_ros.inference.engines.cuda_graph import GPU_LOCK, Replay, load_fuse
from bisenetformer_ros.inference.engines.tensorrt.golden import GoldenCheck, compare_with_onnxruntime
from bisenetformer_ros.inference.engines.tensorrt.sidecar import Platform, Sidecar
from bisenetformer_ros.inference.engines.tensorrt.tensors import DYNAMIC, TensorSpec, check_tensors, numpy_type
from bisenetformer_ros.inference.graph.contract import (
    CLASS_LOGITS,
    FRAMES,
    LOGITS,
    OUTPUTS,
    QUERY_TABLE,
    SCORE_THRESHOLD,
    TABLE_COLUMNS,
)
from bisenetformer_ros.inference.graph.runs import segment_frames
from bisenetformer_ros.inference.preprocess import plan_geometry
from bisenetformer_ros.machine import power_mode
from bisenetformer_ros.results import SegmentationResult

MAX_ERRORS = 10
"""Most errors of TensorRT kept for a message."""


class TensorRTEngine:
    """Runs an engine file, with its sidecar, on frames of the size that its graph was exported for.

    If its graph ends at the logits, Triton kernels post-process them on the GPU; where those cannot run, the CPU does.
    When a file is opened for the first time, its results are compared with ONNX Runtime's; the sidecar keeps the
    outcome.
    """

    name = "tensorrt"
    tunes_per_shape = False

    def __init__(self, path: str | Path, task: str, device: str = "auto", precision: str = "auto") -> None:
        """
        Args:
            path: Engine file.
            task: That of the graph.
            device: "auto" (the first GPU), "cuda" or "cuda:N".
            precision: "auto" or that of the graph.

        Raises:
            EngineError: If TensorRT or a GPU is missing, the file was built for something else, or its results differ.
        """
        path = Path(path)
        trt = load_tensorrt()
        self._device = cuda_device(device)
        sidecar = Sidecar.load(path)
        self.device, self.graph = str(self._device), sidecar.graph
        self.graph.check(path, task)
        self.graph.check_precision(path, precision)
        self.task, self.precision, self.metadata = task, self.graph.precision, self.graph.metadata
        self.frame_size = self.graph.frame_size
        self._max_batch, self._tensors = sidecar.max_batch, sidecar.tensors
        here = this_platform(trt, self._device)
        content = sidecar.check(path, here)
        self.warning = ""
        if mode := sidecar.platform.power_mode_warning(here):
            self.warning = f"{path.name} was {mode}; build it in the mode of operation: {sidecar.rebuild_command(path)}"
        self._post, results = self._load_kernels() if self.graph.ends_at == "logits" else (None, ())
        exchanged = (*self.graph.inputs, *self.graph.outputs)
        self._specs = {spec.name: spec for spec in (*self._tensors, *results)}
        self._exchanged = [self._specs[name] for name in exchanged]
        self._log = error_log(trt)
        with GPU_LOCK, torch.cuda.device(self._device):
            self._context = self._open(trt, content, path, sidecar.dla_core)
            self._memory = GpuMemory(tuple(self._specs.values()), self._max_batch, self._device)
        for spec in self._tensors:
            self._context.set_tensor_address(spec.name, self._memory.address(spec.name))
        self._execute = self._enqueue if self.graph.dynamic_batch else self._recorded()
        self.golden = sidecar.golden or self._compare(path, sidecar)
        if not self.golden.passed:
            raise EngineError(
                f"{path} gives wrong results: {self.golden.finding}; export with --precision fp32 and build again"
            )

    def _compare(self, path: Path, sidecar: Sidecar) -> GoldenCheck:
        """Compare the results with ONNX Runtime's and keep the outcome in the sidecar."""
        golden = compare_with_onnxruntime(self, sidecar.onnx_path(path), self.graph.frame_size, self._max_batch)
        with contextlib.suppress(OSError):  # in a read-only folder it is compared again next time
            sidecar.with_golden(golden).save(path)
        return golden

    def _open(self, trt: ModuleType, content: bytes, path: Path, dla_core: int | None) -> Any:
        """An execution context of the engine in `content`."""
        trt.init_libnvinfer_plugins(self._log, "")
        runtime = trt.Runtime(self._log)
        if dla_core is not None:
            runtime.DLA_core = dla_core
        engine = runtime.deserialize_cuda_engine(content)
        if engine is None:
            raise EngineError(f"TensorRT {trt.__version__} cannot load {path}: {self._log}")
        check_tensors(self._tensors, tensor_specs(trt, engine), str(path))
        context = engine.create_execution_context()
        if context is None:
            raise EngineError(f"TensorRT {trt.__version__} cannot prepare to run {path}: {self._log}")
        return context

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        return segment_frames(self.run, self.graph, self._max_batch, frames, score_threshold, overlap_threshold)

    def release(self, frame_size: tuple[int, int]) -> None:
        """A no-op, see `Engine.release`."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output by its name for one batch. The host waits for the GPU once."""
        with torch.cuda.device(self._device):  # TensorRT runs on the current one
            return self._run(inputs)

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        batch, memory = len(inputs[FRAMES]), self._memory
        for spec in self._exchanged:
            if spec.is_input:
                memory.array(spec, batch)[...] = inputs[spec.name]
                memory.upload(spec, batch)
                if self.graph.dynamic_batch and spec in self._tensors:
                    self._context.set_input_shape(spec.name, spec.array_shape(batch))
        self._execute(batch)
        outputs = [spec for spec in self._exchanged if not spec.is_input]
        for spec in outputs:
            memory.download(spec, batch)
        memory.finish()
        return {spec.name: memory.array(spec, batch).copy() for spec in outputs}

    def _load_kernels(self) -> tuple[torch.nn.Module | None, tuple[TensorSpec, ...]]:
        """The post-processing of logits on the GPU with its other inputs and outputs; nothing where it cannot run."""
        fuse, warning = load_fuse(self._device)
        if fuse is None:
            self.warning = "; ".join(filter(None, (self.warning, warning)))
            return None, ()
        from bisenetformer_ros.inference import fused  # needs Triton

        self.graph = replace(self.graph, ends_at="results")  # as seen from outside
        geometry = plan_geometry(self.frame_size, self.metadata.input_size)
        batch = DYNAMIC if self.graph.dynamic_batch else 1
        specs = [TensorSpec(name, False, "uint8", (batch, *self.frame_size)) for name in OUTPUTS[self.task][:2]]
        if self.task == "semantic":
            return fused.FusedSemantic(len(self.metadata.labels), geometry).to(self._device), tuple(specs)
        num_queries = next(spec.shape[1] for spec in self._tensors if spec.name == CLASS_LOGITS)
        specs.append(TensorSpec(QUERY_TABLE, False, "float32", (batch, num_queries, len(TABLE_COLUMNS))))
        specs.append(TensorSpec(SCORE_THRESHOLD, True, "float32", ()))
        return fused.FusedPanoptic(geometry).to(self._device), tuple(specs)

    def _enqueue(self, batch: int = 1) -> tuple[()]:
        if not self._context.execute_async_v3(self._memory.stream_handle):
            raise InferenceError(f"TensorRT could not run the network: {self._log}")
        if self._post is not None:
            names = LOGITS if self.task == "semantic" else (*LOGITS, SCORE_THRESHOLD)
            with self._memory.on_stream():
                results = self._post(*(self._memory.tensor(self._specs[name], batch) for name in names))
                for name, result in zip(self.graph.outputs, results, strict=True):
                    self._memory.tensor(self._specs[name], batch).copy_(result)
        return ()

    def _recorded(self) -> Callable[[int], object]:
        """`_enqueue` as a CUDA graph; as it is for an engine that cannot be recorded.

        Only for fixed shapes: another input shape would change the context, and with it invalidate the recording.
        """
        for spec in self._tensors:
            if spec.is_input:
                self._context.set_input_shape(spec.name, spec.array_shape(batch=1))
        try:
            with torch.cuda.device(self._device):
                replay = self._memory.record(self._enqueue)
                return lambda batch: replay()
        except RuntimeError as error:
            logging.getLogger(__name__).warning("TensorRT runs without a CUDA graph: %s", error)
            return self._enqueue


class GpuMemory:
    """Pinned host memory and device memory for the inputs and outputs of one engine, and a stream.

    The stream keeps uploads, execution and downloads in order; the host only waits in `finish`.
    """

    def __init__(self, tensors: Sequence[TensorSpec], max_batch: int, device: torch.device) -> None:
        sizes = {spec.name: spec.num_bytes(max_batch) for spec in tensors}
        self._host = {name: torch.empty(size, dtype=torch.uint8, pin_memory=True) for name, size in sizes.items()}
        self._device = {name: torch.empty(size, dtype=torch.uint8, device=device) for name, size in sizes.items()}
        self._stream = torch.cuda.Stream(device)

    @property
    def stream_handle(self) -> int:
        return self._stream.cuda_stream

    def address(self, name: str) -> int:
        """Address of the tensor on the GPU."""
        return self._device[name].data_ptr()

    def array(self, spec: TensorSpec, batch: int) -> np.ndarray:
        """View of the tensor on the host; the next run overwrites it."""
        content = self._host[spec.name][: spec.num_bytes(batch)].numpy()
        return content.view(spec.dtype).reshape(spec.array_shape(batch))

    def tensor(self, spec: TensorSpec, batch: int) -> torch.Tensor:
        """View of the tensor on the GPU."""
        content = self._device[spec.name][: spec.num_bytes(batch)]
        return content.view(getattr(torch, spec.dtype)).view(spec.array_shape(batch))

    def on_stream(self) -> torch.cuda.StreamContext:
        return torch.cuda.stream(self._stream)

    def upload(self, spec: TensorSpec, batch: int) -> None:
        self._copy(self._device, self._host, spec.name, spec.num_bytes(batch))

    def download(self, spec: TensorSpec, batch: int) -> None:
        self._copy(self._host, self._device, spec.name, spec.num_bytes(batch))

    def record(self, enqueue: Callable[[], tuple[()]]) -> Callable[[], object]:
        """Record what `enqueue` puts on the stream; return what repeats it. RuntimeError if that is impossible."""
        replay = Replay(enqueue, self._stream, pool=None)

        def repeat() -> None:
            with self.on_stream():
                replay()

        return repeat

    def finish(self) -> None:
        self._stream.synchronize()

    def _copy(self, to: dict[str, torch.Tensor], source: dict[str, torch.Tensor], name: str, size: int) -> None:
        with self.on_stream():
            to[name][:size].copy_(source[name][:size], non_blocking=True)


def load_tensorrt() -> ModuleType:
    """Import the library, or raise an EngineError that says how to install it."""
    try:
        import tensorrt  # type: ignore[import-not-found]
    except ImportError as error:  # or one of its shared libraries is missing
        raise EngineError(
            f"TensorRT cannot be imported ({error}); on a Jetson it comes with JetPack (apt install "
            "python3-libnvinfer; a virtual environment needs --system-site-packages), elsewhere: "
            f"{pip_install('tensorrt')}"
        ) from error
    return tensorrt


def cuda_device(device: str) -> torch.device:
    """Return the GPU for "auto", "cuda" or "cuda:N". Raises EngineError if it does not exist here."""
    if not torch.cuda.is_available():
        built_for = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        raise EngineError(
            f"TensorRT needs an NVIDIA GPU, but PyTorch {torch.__version__} ({built_for}) sees none here; look at "
            "nvidia-smi (on a Jetson: tegrastats) and install a PyTorch for its CUDA, or run this on the machine with "
            "the GPU: engine files are built on the kind of GPU that they run on"
        )
    count = torch.cuda.device_count()
    if device not in ("auto", "cuda", *(f"cuda:{index}" for index in range(count))):
        raise EngineError(f"TensorRT cannot run on device '{device}', expected auto or cuda:0 to cuda:{count - 1}")
    return torch.device("cuda:0" if device in ("auto", "cuda") else device)


def has_typed_networks(trt: ModuleType) -> bool:
    """Whether the types in the graph decide the precision, as from 10.0 on.

    Before, a builder flag allows fp16 for any layer that is not constrained, also for one that a graph has in float32.
    """
    return hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def this_platform(trt: ModuleType, device: torch.device) -> Platform:
    properties = torch.cuda.get_device_properties(device)
    return Platform(
        tensorrt=trt.__version__,
        cuda=torch.version.cuda or "none",
        gpu=properties.name,
        compute_capability=f"{properties.major}.{properties.minor}",
        multiprocessors=properties.multi_processor_count,
        memory_mib=properties.total_memory // 2**20,
        power_mode=power_mode(),
    )


def error_log(trt: Any) -> Any:
    """Make a logger for TensorRT that logs its warnings and keeps the latest errors; str() joins them."""

    class ErrorLog(trt.ILogger):
        def __init__(self) -> None:
            super().__init__()
            self.errors: deque[str] = deque(maxlen=MAX_ERRORS)
            self._warned: set[str] = set()

        def log(self, severity: Any, message: str) -> None:
            if severity.name in ("ERROR", "INTERNAL_ERROR"):
                self.errors.append(message)
            elif severity.name == "WARNING" and message not in self._warned:
                self._warned.add(message)
                logging.getLogger(__name__).warning("TensorRT: %s", message)

        def __str__(self) -> str:
            return "; ".join(self.errors) or "no reason given"

    return ErrorLog()


def tensor_specs(trt: ModuleType, engine: Any) -> list[TensorSpec]:
    """Describe the inputs and outputs of a loaded engine."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return [
        TensorSpec(
            name,
            engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
            numpy_type(engine.get_tensor_dtype(name).name, name),
            tuple(engine.get_tensor_shape(name)),
        )
        for name in names
    ]
