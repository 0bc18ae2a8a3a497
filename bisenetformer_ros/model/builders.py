"""The paper's variants by name."""

from collections.abc import Callable
from typing import Any

from torch import nn

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.metadata import IMAGENET_MEAN, IMAGENET_STD
from bisenetformer_ros.model.backbones import STDC, ResNet
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.context_path import ContextPath
from bisenetformer_ros.model.feature_fusion import FeatureFusion
from bisenetformer_ros.model.transformer_decoder import TransformerDecoder


def bisenetformer(
    backbone: nn.Module,
    num_classes: int,
    *,
    channels: int = 128,
    dim: int = 256,
    num_heads: int = 8,
    feedforward_dim: int = 1024,
    num_queries: int = 100,
    num_blocks: int = 6,
    num_levels: int = 2,
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN,
    pixel_std: tuple[float, float, float] = IMAGENET_STD,
) -> BiSeNetFormer:
    """Puts a backbone into the network; the defaults are the paper's.

    num_blocks: stages × num_levels (table 6 varies both). num_queries: table 7. channels, dim, feedforward_dim: widths
    of the pixel features, the decoder and its feed-forward layers.
    """
    _check_ranges(num_classes=num_classes, num_queries=num_queries, num_blocks=num_blocks)
    if num_levels not in (2, 3):
        raise ConfigError(f"num_levels is {num_levels}, expected 2 (1/32, 1/16) or 3 (also 1/8)")
    if num_blocks < num_levels:
        raise ConfigError(f"num_blocks is {num_blocks}, expected at least num_levels ({num_levels}): a block per level")
    if dim % num_heads or dim % 4:
        raise ConfigError(f"dim is {dim}, expected a multiple of 4 and of num_heads ({num_heads})")
    _, spatial_channels, *deep_channels = backbone.out_channels
    return BiSeNetFormer(
        backbone,
        ContextPath(tuple(deep_channels), channels),
        FeatureFusion(spatial_channels, channels),
        TransformerDecoder(num_classes, channels, dim, num_heads, feedforward_dim, num_queries, num_blocks, num_levels),
        pixel_mean,
        pixel_std,
    )


def bisenetformer_stdc1(num_classes: int, **options: Any) -> BiSeNetFormer:
    """STDC1 backbone; 13.1 M parameters with 19 classes."""
    return bisenetformer(STDC((2, 2, 2)), num_classes, **options)


def bisenetformer_stdc2(num_classes: int, **options: Any) -> BiSeNetFormer:
    """STDC2 backbone; 17.1 M parameters with 19 classes."""
    return bisenetformer(STDC((4, 5, 3)), num_classes, **options)


def bisenetformer_r50(num_classes: int, **options: Any) -> BiSeNetFormer:
    """ResNet-50 backbone; 31.7 M parameters."""
    return bisenetformer(ResNet((3, 4, 6, 3)), num_classes, **options)


def bisenetformer_nano(num_classes: int, **options: Any) -> BiSeNetFormer:
    """Not in the paper: STDC1 at half width and a narrower head, for CPUs and the smallest boards; 2.9 M parameters."""
    narrower = {"channels": 64, "dim": 128, "feedforward_dim": 256, "num_queries": 50}
    return bisenetformer(STDC((2, 2, 2), base_channels=32), num_classes, **{**narrower, **options})


BUILDERS: dict[str, Callable[..., BiSeNetFormer]] = {
    "bisenetformer-stdc1": bisenetformer_stdc1,
    "bisenetformer-stdc2": bisenetformer_stdc2,
    "bisenetformer-r50": bisenetformer_r50,
    "bisenetformer-nano": bisenetformer_nano,
}


def build_model(name: str, num_classes: int, **options: Any) -> BiSeNetFormer:
    """A network with random weights, in training mode. options: keywords of `bisenetformer`.

    Raises ConfigError for an unknown name or an impossible option.
    """
    if name not in BUILDERS:
        raise ConfigError(f"unknown model '{name}', expected one of: {', '.join(BUILDERS)}")
    try:
        return BUILDERS[name](num_classes, **options)
    except TypeError as error:
        raise ConfigError(f"model '{name}': {error}") from error


def _check_ranges(**values: int) -> None:
    wrong = [f"{name} is {value}" for name, value in values.items() if value < 1]
    if wrong:
        raise ConfigError(f"expected values of at least 1: {', '.join(wrong)}")
