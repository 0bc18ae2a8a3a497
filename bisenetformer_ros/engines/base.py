"""What every inference engine offers."""

from typing import Protocol

from torch import Tensor

from bisenetformer_ros.metadata import ModelMetadata


class Engine(Protocol):
    """A loaded network on one device, used by one thread at a time.

    name: as in the parameter `engine`. device: "cpu", "cuda:0", … precision: "fp32", "bf16" or "fp16".
    """

    name: str
    device: str
    precision: str
    metadata: ModelMetadata

    def infer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images (B, 3, H, W) float32 on any device, RGB 0..255, H and W multiples of 32.

        Returns class_logits (B, N, K+1) and mask_logits (B, N, H/8, W/8), float32, on the engine's device.
        """
        ...
