"""A whole frame on an NVIDIA GPU as one upload, one CUDA graph, one download and one synchronization.

The recorded module is the one that is exported to ONNX: like a CUDA graph, it has fixed shapes and needs no host in
between.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from bisenetformer_ros.inference.graph.contract import FRAMES, OUTPUTS, SCORE_THRESHOLD, GraphInfo
from bisenetformer_ros.inference.graph.module import SegmentationGraph
from bisenetformer_ros.inference.graph.runs import Arrays, segment_frames
from bisenetformer_ros.inference.preprocess import check_frames
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.results import SegmentationResult

WARM_UPS = 3
"""Runs before the recording, in which PyTorch and cuDNN choose kernels and allocate memory."""
MAX_GRAPHS = 4
"""Number of graphs kept, one per number and size of frames; each holds GPU memory."""


class CudaGraphs:
    """Segments frames of any size. The first frame of a size takes seconds: its graph is recorded then.

    precision: "fp32", "bf16" or "fp16". Without CUDA nothing is recorded and the module runs as it is.
    """

    def __init__(
        self, model: BiSeNetFormer, metadata: ModelMetadata, task: str, precision: str, device: torch.device
    ) -> None:
        self._model, self._metadata, self._task = model, metadata, task
        self._precision, self._device = precision, device
        self._graphs: dict[tuple[int, tuple[int, int]], RecordedGraph] = {}

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        batch, size = len(frames), check_frames(frames)
        info = GraphInfo(self._metadata, self._task, size, self._precision, "rgb", batch > 1, weights_sha256="")
        run = self._graph(batch, size).run
        return segment_frames(run, info, batch, frames, score_threshold, overlap_threshold)

    def _graph(self, batch: int, size: tuple[int, int]) -> "RecordedGraph":
        graph = self._graphs.pop((batch, size), None)
        if graph is None:
            while len(self._graphs) >= MAX_GRAPHS:
                del self._graphs[next(iter(self._graphs))]  # the least recently used
            module = SegmentationGraph(self._model, self._metadata, self._task, size, self._precision, "rgb")
            graph = RecordedGraph(module, self._task, (batch, *size, 3), self._device)
        self._graphs[batch, size] = graph
        return graph


class RecordedGraph:
    """A module recorded for frames of one shape (B, H, W, 3), with host and device memory for inputs and outputs."""

    @torch.inference_mode()
    def __init__(self, module: SegmentationGraph, task: str, shape: tuple[int, ...], device: torch.device) -> None:
        self._names, self._on_gpu = OUTPUTS[task], device.type == "cuda"
        module = module.eval().to(device)
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        self._frames = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._threshold = torch.zeros((), device=device)
        inputs = (self._frames, self._threshold) if task == "panoptic" else (self._frames,)
        self._sent_frames = self._on_host(self._frames)

        def compute() -> tuple[Tensor, ...]:
            with device:  # where the module creates its intermediate tensors
                return module(*inputs)

        self._replay = self._record(compute) if self._on_gpu else compute
        self._received = [self._on_host(output) for output in self._replay()]

    @torch.inference_mode()
    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Return every output of the graph by its name."""
        self._sent_frames.copy_(torch.from_numpy(inputs[FRAMES]))
        self._frames.copy_(self._sent_frames, non_blocking=True)
        if SCORE_THRESHOLD in inputs:
            self._threshold.fill_(float(inputs[SCORE_THRESHOLD]))
        for received, output in zip(self._received, self._replay(), strict=True):
            received.copy_(output, non_blocking=True)
        if self._on_gpu:
            torch.cuda.current_stream(self._frames.device).synchronize()
        return {name: x.numpy().copy() for name, x in zip(self._names, self._received, strict=True)}

    def _on_host(self, tensor: Tensor) -> Tensor:
        """Host memory of its shape, pinned so that copies are asynchronous."""
        return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=self._on_gpu)

    def _record(self, compute: Callable[[], tuple[Tensor, ...]]) -> Callable[[], tuple[Tensor, ...]]:
        device = self._frames.device
        stream = torch.cuda.Stream(device)
        with torch.cuda.device(device):
            with torch.cuda.stream(stream):
                for _ in range(WARM_UPS):
                    compute()
            stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                outputs = compute()

        def replay() -> tuple[Tensor, ...]:
            graph.replay()
            return outputs

        return replay
