"""ONNX Runtime: exported graphs on the CPU, and on NVIDIA GPUs with the CUDA or TensorRT provider."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.errors import EngineError, ModelError
from bisenetformer_ros.file_names import utf8_path
from bisenetformer_ros.inference.engines.allocator import keep_freed_memory
from bisenetformer_ros.inference.engines.denormals import flush_denormals
from bisenetformer_ros.inference.engines.unused_gpu import explain_unused_gpu
from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.inference.graph.runs import segment_frames
from bisenetformer_ros.results import SegmentationResult

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
"""Device without its number → execution provider."""


class OnnxRuntimeEngine:
    """Runs an ONNX file of `bisenetformer export` on frames of its size.

    On the CPU it uses as many threads as PyTorch does: OMP_NUM_THREADS, if set.
    """

    name = "onnxruntime"

    def __init__(self, path: str | Path, task: str, device: str = "auto", precision: str = "auto") -> None:
        """
        Args:
            path: ONNX file.
            task: That of the graph.
            device: "cpu", "cuda[:N]" or "tensorrt[:N]" (CUDA device N with the TensorRT provider, which takes minutes
                to build its own engine in the first run); "auto" is CUDA if the installed ONNX Runtime supports it.
            precision: "auto" or that of the graph.

        Raises:
            ModelError: For the file.
            EngineError: For the task, the device, the precision or a missing ONNX Runtime.
        """
        path = Path(path)
        self.graph = GraphInfo.load(path).check(path, task)
        self.frame_size = self.graph.frame_size
        self.task, self.metadata = task, self.graph.metadata
        self.graph.check_precision(path, precision)
        self.precision = self.graph.precision
        ort = load_onnxruntime()
        kind, index = choose_device(ort, device)
        self.device = "cpu" if kind == "cpu" else f"cuda:{index}"
        self.tunes_per_shape = kind != "cpu"
        reason = f"this ONNX Runtime {ort.__version__} does not support CUDA: {pip_install('onnxruntime-gpu')}"
        self.warning = explain_unused_gpu(device, reason) if kind == "cpu" else ""
        if kind == "cpu":
            keep_freed_memory()
        self._session = _open(ort, path, kind, index)

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        return segment_frames(self.run, self.graph, self.graph.max_batch, frames, score_threshold, overlap_threshold)

    def release(self, frame_size: tuple[int, int]) -> None:
        """A no-op, see `Engine.release`."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output of the graph by its name."""
        names = self.graph.outputs
        if self.device == "cpu":
            flush_denormals()  # in this thread, which also post-processes; the option of the session is for its own
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))


def load_onnxruntime() -> ModuleType:
    """Import the library, or raise an EngineError that says how to install it."""
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:  # or one of its shared libraries is missing
        raise EngineError(
            f"ONNX Runtime cannot be imported ({error}): {pip_install('onnxruntime')}, or "
            f"{pip_install('onnxruntime-gpu')} for NVIDIA GPUs"
        ) from error
    return onnxruntime


def choose_device(ort: ModuleType, device: str) -> tuple[str, int]:
    """Return a key of PROVIDERS and the number of the device.

    Raises:
        EngineError: If the device is unknown or this ONNX Runtime does not support it.
    """
    available = [kind for kind, provider in PROVIDERS.items() if provider in ort.get_available_providers()]
    if device == "auto":
        device = "cuda" if "cuda" in available and torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind not in PROVIDERS or (number and (kind == "cpu" or not number.isdecimal())):
        raise EngineError(f"unknown device '{device}', expected auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N")
    if kind not in available:
        raise EngineError(
            f"device '{device}' was requested, but this ONNX Runtime {ort.__version__} supports "
            f"{', '.join(available)}; set device to one of those, or replace it: {pip_install('onnxruntime-gpu')}"
        )
    return kind, int(number or 0)


def _open(ort: ModuleType, path: Path, kind: str, index: int) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only; it warns about shape operators on the CPU
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to other processes
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if kind != "cpu" and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # PyTorch's CUDA libraries
    on_gpu = {"device_id": index} | ({"use_tf32": 0} if kind == "cuda" else {})  # fp32 is not the 10 bits of TF32
    chosen: list[Any] = [(PROVIDERS[kind], on_gpu)] if kind != "cpu" else []
    try:
        with utf8_path(path) as name:
            session = ort.InferenceSession(name, options, providers=[*chosen, PROVIDERS["cpu"]])
    except Exception as error:  # its exceptions have no common base
        raise ModelError(f"{path}: ONNX Runtime {ort.__version__} cannot open it ({error})") from error
    if session.get_providers()[0] != PROVIDERS[kind]:
        raise EngineError(
            f"ONNX Runtime {ort.__version__} could not start {PROVIDERS[kind]} on device {index} and fell back to the "
            "CPU; check nvidia-smi, and that the CUDA and cuDNN versions it needs are installed"
        )
    return session
