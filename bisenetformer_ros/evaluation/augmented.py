"""Test-time augmentation for the semantic task: class scores, averaged over sizes and mirror images of an image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.inference.preprocess import check_frames, plan_geometry, preprocess
from bisenetformer_ros.results import ImageGeometry, SegmentationResult
from bisenetformer_ros.segmenter import Segmenter

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
"""Of the network's input size; those of Mask2Former's recipes for Cityscapes and ADE20K."""
_QUERIES_AT_ONCE = 8
"""Their masks have the image's size, 64 MiB at 1024x2048."""


class AugmentedSegmenter(Segmenter):
    """Runs the network at several sizes, on the image and its mirror image, and averages the class scores.

    The segments of a panoptic result cannot be averaged: each run assigns its queries anew.
    """

    def __init__(
        self,
        path: str | Path,
        task: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        scales: Sequence[float] = SCALES,
    ) -> None:
        """Load a weights file with PyTorch; see `Segmenter`.

        Args:
            path: Weights file or name of a model.
            task: "semantic", or "auto" for weights of that task.
            device: "auto", "cpu", "cuda" or "cuda:N".
            precision: Of PyTorch.
            scales: Factors of the input size.

        Raises:
            ConfigError: The task is panoptic.
            EngineError, ModelError: As `Segmenter`.
        """
        # "coarse": this engine runs no CUDA graphs, which hold the logits back
        engine = TorchEngine(path, "semantic", device, precision, semantic_order="coarse")
        if task == "panoptic" or (task == "auto" and engine.metadata.task == "panoptic"):
            raise ConfigError(
                "test-time augmentation averages the class scores of pixels, and segments of different runs have none "
                "in common: it takes the semantic task, got panoptic. Set --task semantic"
            )
        self.engine = self._torch = engine
        self.scales = tuple(scales)

    def __call__(self, rgb: np.ndarray) -> SegmentationResult:
        """Segment an image; see `Segmenter`. The confidence is the winner's mean score."""
        best, classes = self.class_scores(rgb).max(dim=0)
        confidence = (best.clamp(0, 1) * 255).round().to(torch.uint8)
        return SegmentationResult(classes.to(torch.uint8).cpu().numpy(), confidence.cpu().numpy())

    @torch.inference_mode()
    def class_scores(self, rgb: np.ndarray) -> Tensor:
        """Return the mean scores of all runs, (K, H, W) float32, as `postprocess_semantic` defines them.

        Args:
            rgb: (H, W, 3) uint8.
        """
        size = check_frames([rgb])
        mirrored = np.ascontiguousarray(rgb[:, ::-1])
        total: Tensor | None = None
        for scale in self.scales:
            geometry = plan_geometry(size, self._input_size(size, scale))
            for image in (rgb, mirrored):
                images = preprocess([image], geometry, self.engine.metadata.pixel_mean)
                class_logits, mask_logits = self._torch.infer(images)
                scores = _class_scores(class_logits[0], mask_logits[0], geometry)
                scores = scores.flip(2) if image is mirrored else scores
                total = scores if total is None else total.add_(scores)
        assert total is not None
        return total / (2 * len(self.scales))

    def _input_size(self, image_size: tuple[int, int], scale: float) -> int | tuple[int, int]:
        given = self.engine.metadata.input_size
        if isinstance(given, tuple):
            return round(scale * given[0]), round(scale * given[1])
        return round(scale * (min(image_size) if given is None else given))


def _class_scores(class_logits: Tensor, mask_logits: Tensor, geometry: ImageGeometry) -> Tensor:
    """Return (K, H, W) scores from the logits (N, K + 1) and (N, h, w) of an image."""
    probabilities = class_logits.softmax(-1)[:, :-1]
    height, width = geometry.resized_size
    total = probabilities.new_zeros(probabilities.shape[1], *geometry.image_size)
    for start in range(0, len(mask_logits), _QUERIES_AT_ONCE):
        chosen = slice(start, start + _QUERIES_AT_ONCE)
        masks = _interpolate(mask_logits[chosen], geometry.padded_size)[:, :height, :width]
        masks = _interpolate(masks, geometry.image_size).sigmoid_()
        total += torch.einsum("qk,qhw->khw", probabilities[chosen], masks)
    return total


def _interpolate(masks: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(masks[None], size, mode="bilinear", align_corners=False)[0]
