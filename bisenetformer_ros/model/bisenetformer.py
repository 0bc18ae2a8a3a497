"""BiSeNetFormer: Rosi et al., "The revenge of BiSeNet: efficient multi-task image segmentation", CVPRW 2024."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bisenetformer_ros.model.context_path import ContextPath
from bisenetformer_ros.model.feature_fusion import FeatureFusion
from bisenetformer_ros.model.transformer_decoder import TransformerDecoder

STRIDE = 32
"""Height and width of the input must be multiples of this."""


class PixelFeatures(NamedTuple):
    """Output of the convolutional part.

    Attributes:
        levels: Context maps (B, C, h, w) that the decoder reads, coarsest first.
        mask: Mask features (B, C, H/8, W/8).
    """

    levels: tuple[Tensor, ...]
    mask: Tensor


class BiSeNetFormer(nn.Module):
    """The whole network; `build_model` builds the paper's variants.

    Args:
        backbone: Maps images to features at 1/4, 1/8, 1/16 and 1/32; its output at 1/8 is the spatial path.
        context_path: Refines the features at 1/16 and 1/32.
        feature_fusion: Makes the mask features.
        decoder: Predicts classes and masks.
        pixel_mean: R, G, B, 0..255; subtracted from the input.
        pixel_std: R, G, B, 0..255; divides the input.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        context_path: ContextPath,
        feature_fusion: FeatureFusion,
        decoder: TransformerDecoder,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.context_path = context_path
        self.feature_fusion = feature_fusion
        self.decoder = decoder
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(3, 1, 1))
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predict classes and masks.

        Args:
            images: (B, 3, H, W) float, RGB, 0..255; H and W multiples of STRIDE.

        Returns:
            class_logits (B, N, K+1), the last class being "no object", and mask_logits (B, N, H/8, W/8).

        Raises:
            ValueError: H or W is not a multiple of STRIDE, or a batch of one is passed in training mode.
        """
        features = self.extract(images)
        return self.decoder(features.levels, features.mask)

    def extract(self, images: Tensor) -> PixelFeatures:
        """Run the convolutional part: backbone, context path and feature fusion. See `forward`."""
        height, width = images.shape[-2:]
        if height % STRIDE or width % STRIDE:
            raise ValueError(f"expected images whose height and width are multiples of {STRIDE}, got {height}x{width}")
        if self.training and images.shape[0] == 1:
            raise ValueError(
                "training requires at least 2 images per batch and device, since the gates normalize 1x1 maps over "
                "the batch; raise the batch size, or switch the model to eval mode"
            )
        _, res3, res4, res5 = self.backbone((images - self.pixel_mean) / self.pixel_std)
        context = self.context_path(res3, res4, res5)
        return PixelFeatures(context[: self.decoder.num_levels], self.feature_fusion(res3, context[2]))
