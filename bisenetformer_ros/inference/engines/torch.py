"""PyTorch on the CPU or on CUDA."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.allocator import keep_freed_memory
from bisenetformer_ros.inference.engines.capabilities import check_precision
from bisenetformer_ros.inference.engines.cuda_graph import CudaGraphs
from bisenetformer_ros.inference.engines.denormals import flush_denormals
from bisenetformer_ros.inference.engines.unused_gpu import explain_unused_gpu
from bisenetformer_ros.inference.postprocess import SemanticOrder, postprocess
from bisenetformer_ros.inference.preprocess import check_frames, plan_geometry, preprocess
from bisenetformer_ros.libraries import OLDEST_TORCH, check_torch
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.model.folding import fold
from bisenetformer_ros.results import SegmentationResult, StageTimes

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEngine:
    """Runs the folded network on frames of any size. On CUDA, `CudaGraphs` does the work.

    On the CPU, a thread that calls the engine computes without denormal numbers from then on: see `flush_denormals`.
    """

    name = "torch"
    frame_size = None

    def __init__(
        self,
        path: str | Path,
        task: str,
        device: str = "auto",
        precision: str = "auto",
        semantic_order: SemanticOrder = "full",
    ) -> None:
        """
        Args:
            path: Weights file.
            task: One of TASKS.
            device: "auto" (the first GPU if there is one), "cpu", "cuda" or "cuda:N".
            precision: "auto" is fp16 on CUDA and fp32 on the CPU, where `open_engine` measures whether bf16 is faster.
            semantic_order: See `postprocess_semantic`.

        Raises:
            EngineError: For a device or precision that does not exist here, or a PyTorch that is too old.
            ModelError: For the weights.
        """
        check_torch(OLDEST_TORCH, "inference", "install a newer build for this machine")
        self.task = task
        self.semantic_order = semantic_order
        self._device = resolve_device(device)
        self.device = str(self._device)
        self.precision = _resolve_precision(precision, self._device)
        self.warning = explain_unused_gpu(device) if self._device.type == "cpu" else ""
        if self._device.type == "cpu":
            keep_freed_memory()
        model, self.metadata = load_checkpoint(path)
        self._graphs: CudaGraphs | None = None
        if self._device.type == "cuda" and self.precision == "fp32":
            torch.backends.cudnn.allow_tf32 = False  # by default, cuDNN rounds to the 10 bits of TF32
        if self._device.type == "cuda" and semantic_order == "full":
            self._graphs = CudaGraphs(model, self.metadata, task, self.precision, self._device)
            self.warning = self._graphs.warning
            return
        self._model = fold(model).to(self._device)
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in PyTorch's stubs
        for module in self._model.modules():  # once, where autocast would convert them for every frame
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.to(DTYPES[self.precision])

    @property
    def tunes_per_shape(self) -> bool:
        """Not on the CPU, where the first frame of a size takes 0.2 s more than the next one at most."""
        return self._graphs is not None

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        if self._graphs:
            return self._graphs.segment(frames, score_threshold, overlap_threshold)
        start = perf_counter()
        geometry = plan_geometry(check_frames(frames), self.metadata.input_size)
        images = preprocess(frames, geometry, self.metadata.pixel_mean)
        preprocessed = perf_counter()
        logits = self.infer(images)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # the call returns before the GPU is done
        inferred = perf_counter()
        labels, thresholds = self.metadata.labels, (score_threshold, overlap_threshold)
        results = [
            postprocess(self.task, *each, geometry, labels, *thresholds, order=self.semantic_order)
            for each in zip(*logits, strict=True)
        ]
        stages = (preprocessed - start, inferred - preprocessed, perf_counter() - inferred)
        times_ms = StageTimes(*(1e3 * seconds / len(frames) for seconds in stages))
        return [replace(result, times_ms=times_ms) for result in results]

    def release(self, frame_size: tuple[int, int]) -> None:
        """See `Engine.release`."""
        if self._graphs:
            self._graphs.release(frame_size)

    @torch.inference_mode()
    def infer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network without pre- and post-processing, unless the engine runs CUDA graphs.

        Args:
            images: (B, 3, H, W) float32 on any device, RGB 0..255, H and W multiples of 32.

        Returns:
            class_logits (B, N, K+1) and mask_logits (B, N, H/8, W/8), float32, on the engine's device.
        """
        if self._device.type == "cpu":
            flush_denormals()  # in the calling thread, which need not be the one that opened the engine
        images = images.to(self._device, memory_format=torch.channels_last)
        with torch.autocast(self._device.type, DTYPES[self.precision], enabled=self.precision != "fp32"):
            class_logits, mask_logits = self._model(images)
        return class_logits.float(), mask_logits.float()


def resolve_device(device: str) -> torch.device:
    """Return the PyTorch device for "auto" (the first GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises:
        EngineError: If the device is unknown or does not exist here.
    """
    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise EngineError(f"unknown device '{device}', expected auto, cpu, cuda or cuda:N") from None
    if resolved.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (resolved.index or 0) >= count:
            raise EngineError(
                f"device '{device}' was requested, but PyTorch {torch.__version__} sees {count} CUDA devices here; "
                "set device to auto or cpu, or install a PyTorch built for this machine's CUDA"
            )
    elif resolved.type != "cpu":
        raise EngineError(f"device '{device}' is not supported, expected auto, cpu, cuda or cuda:N")
    return resolved


def _resolve_precision(precision: str, device: torch.device) -> str:
    check_precision("torch", device.type, precision)
    if precision != "auto":
        return precision
    return "fp16" if device.type == "cuda" else "fp32"
