"""A whole batch on an NVIDIA GPU as one upload, one CUDA graph, one download and one synchronization.

The recorded module is the one that is exported to ONNX: like a CUDA graph, it has fixed shapes and needs no host in
between. With Triton, kernels take the place of its pre- and post-processing.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.inference.graph.contract import FRAMES, OUTPUTS, SCORE_THRESHOLD, GraphInfo
from bisenetformer_ros.inference.graph.module import SegmentationGraph
from bisenetformer_ros.inference.graph.runs import Arrays, segment_frames
from bisenetformer_ros.inference.preprocess import check_frames
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.folding import fold
from bisenetformer_ros.results import SegmentationResult

BATCHES = (1, 2, 4)
"""Numbers of frames that are recorded. A number in between is padded, a larger one split."""
MAX_SIZES = 8
"""Most frame sizes with recordings. A size is recorded when it comes again within as many batches."""
WARM_UPS = 3
"""Runs before the recording, in which PyTorch and cuDNN choose kernels and allocate memory."""
GPU_LOCK = threading.Lock()
"""Held while a CUDA graph is recorded or an engine is opened: either may fail if the other one runs beside it."""

Compute = Callable[[], tuple[Tensor, ...]]


def load_fuse(device: torch.device) -> tuple[Callable[[SegmentationGraph], None] | None, str]:
    """Return `fused.fuse` if its kernels run on the device, else None and a warning."""
    try:
        from bisenetformer_ros.inference import fused

        with GPU_LOCK, torch.cuda.device(device if device.type == "cuda" else -1):
            fused.try_kernels(device)
    except Exception as error:  # of many types: Triton's, its compiler's, its driver's
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return None, (
            f"post-processing for {device} takes longer than it needs, since its kernels cannot run: {reason}; "
            f"install Triton ({pip_install('triton')}) and a C compiler"
        )
    return fused.fuse, ""


def recorded_batch(num_frames: int) -> int:
    """Return the smallest of BATCHES that holds `num_frames`, which is at most the largest."""
    return next(batch for batch in BATCHES if batch >= num_frames)


@dataclass
class SizeGraphs:
    """The graphs for frames of one size: batch → recording of `module`."""

    module: SegmentationGraph
    recordings: dict[int, "RecordedGraph"] = field(default_factory=dict)


class CudaGraphs:
    """Segments frames of any size. When a size repeats, the first batch of each number takes seconds: its graph is
    recorded then. The images of a data set have many sizes, most of which do not repeat.

    All recordings share the weights, and one memory pool for everything in between, since they never run at the same
    time. If the GPU has no memory left, they are dropped, and frames run one by one from then on.

    precision: "fp32", "bf16" or "fp16". Without CUDA nothing is recorded and the module runs as it is.

    Attributes:
        warning: Why no kernels of Triton serve, and what to do; empty if they do.
    """

    def __init__(
        self, model: BiSeNetFormer, metadata: ModelMetadata, task: str, precision: str, device: torch.device
    ) -> None:
        self._metadata, self._task, self._precision, self._device = metadata, task, precision, device
        self._folded = fold(model)
        # Before the first recording, which keeps the addresses of the weights.
        self._folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._fuse, self.warning = load_fuse(device)
        self._max_batch = BATCHES[-1]
        self._sizes: dict[tuple[int, int], SizeGraphs] = {}
        self._recent: deque[tuple[int, int]] = deque(maxlen=MAX_SIZES)

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        size = check_frames(frames)
        info = GraphInfo(self._metadata, self._task, size, self._precision, "rgb", True, weights_sha256="")
        run = partial(self._run, size)
        try:
            return segment_frames(run, info, self._max_batch, frames, score_threshold, overlap_threshold)
        except torch.cuda.OutOfMemoryError:
            self._sizes.clear()
            self._max_batch = 1
        return segment_frames(run, info, self._max_batch, frames, score_threshold, overlap_threshold)

    def release(self, frame_size: tuple[int, int]) -> None:
        """Drop the recordings for frames of (height, width) `frame_size`."""
        self._sizes.pop(frame_size, None)

    def _run(self, size: tuple[int, int], inputs: Arrays) -> dict[str, np.ndarray]:
        repeats = size in self._recent or size in self._sizes
        self._recent.append(size)
        batch = recorded_batch(len(inputs[FRAMES]))
        shape = (batch, *size, 3)
        graphs = self._sizes.pop(size, None) or SizeGraphs(self._module(size))
        if not repeats:
            return FixedGraph(graphs.module, self._task, shape, self._device).run(inputs)
        while len(self._sizes) >= MAX_SIZES:
            self._sizes.pop(next(iter(self._sizes)))  # the least recently used
        self._sizes[size] = graphs
        if batch not in graphs.recordings:
            graphs.recordings[batch] = RecordedGraph(
                graphs.module, self._task, shape, self._device, self._stream, self._pool()
            )
        return graphs.recordings[batch].run(inputs)

    def _module(self, size: tuple[int, int]) -> SegmentationGraph:
        module = SegmentationGraph(self._folded, self._metadata, self._task, size, self._precision, "rgb")
        if self._fuse:
            self._fuse(module)
        return module.eval().to(self._device)

    def _pool(self) -> Any:
        """The memory pool of the recordings, None before the first one."""
        recordings = (recording for graphs in self._sizes.values() for recording in graphs.recordings.values())
        return next((each.replay.pool for each in recordings if isinstance(each.replay, Replay)), None)


class FixedGraph:
    """A module for frames of one shape (B, H, W, 3), with host and device memory for inputs and outputs."""

    @torch.inference_mode()
    def __init__(self, module: SegmentationGraph, task: str, shape: tuple[int, ...], device: torch.device) -> None:
        self._names, self._on_gpu = OUTPUTS[task], device.type == "cuda"
        self._frames = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._threshold = torch.zeros((), device=device)
        inputs = (self._frames, self._threshold) if task == "panoptic" else (self._frames,)
        self._sent_frames = self._on_host(self._frames)

        def compute() -> tuple[Tensor, ...]:
            with device:  # where the module creates its intermediate tensors
                return module(*inputs)

        self.replay: Compute = compute
        self._received: list[Tensor] = []

    @torch.inference_mode()
    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Return every output of the graph by its name, for up to B frames."""
        count = len(inputs[FRAMES])
        self._sent_frames[:count].copy_(torch.from_numpy(inputs[FRAMES]))
        self._frames[:count].copy_(self._sent_frames[:count], non_blocking=True)
        if SCORE_THRESHOLD in inputs:
            self._threshold.fill_(float(inputs[SCORE_THRESHOLD]))
        outputs = self.replay()
        self._received = self._received or [self._on_host(output) for output in outputs]
        for received, output in zip(self._received, outputs, strict=True):
            received.copy_(output, non_blocking=True)
        if self._on_gpu:
            torch.cuda.current_stream(self._frames.device).synchronize()
        return {name: x[:count].numpy().copy() for name, x in zip(self._names, self._received, strict=True)}

    def _on_host(self, tensor: Tensor) -> Tensor:
        """Host memory of its shape, pinned so that copies are asynchronous."""
        return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=self._on_gpu)


class RecordedGraph(FixedGraph):
    """The same, recorded; without CUDA, which has no stream, it runs as it is."""

    @torch.inference_mode()
    def __init__(
        self,
        module: SegmentationGraph,
        task: str,
        shape: tuple[int, ...],
        device: torch.device,
        stream: torch.cuda.Stream | None,
        pool: Any,
    ) -> None:
        super().__init__(module, task, shape, device)
        if stream is not None:
            self.replay = Replay(self.replay, stream, pool)


class Replay:
    """Repeats on the GPU what `compute` did while it was recorded on `stream`, in memory of `pool` or of a new one."""

    def __init__(self, compute: Compute, stream: torch.cuda.Stream, pool: Any) -> None:
        with GPU_LOCK, torch.cuda.device(stream.device):
            current = torch.cuda.current_stream()
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                for _ in range(WARM_UPS):
                    compute()
            current.wait_stream(stream)
            with torch.cuda.stream(current):  # which a failed recording does not restore
                try:
                    self._capture(compute, stream, pool)
                except torch.cuda.OutOfMemoryError:
                    raise
                except RuntimeError:  # another thread of the process did something that a recording forbids
                    self._capture(compute, stream, pool)

    @property
    def pool(self) -> Any:
        return self._graph.pool()

    def __call__(self) -> tuple[Tensor, ...]:
        self._graph.replay()
        return self._outputs

    def _capture(self, compute: Compute, stream: torch.cuda.Stream, pool: Any) -> None:
        self._graph = torch.cuda.CUDAGraph()
        # In the mode "global", an allocation in any other thread would break the recording.
        with torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            self._outputs = compute()
