"""The paper's models by name."""

from collections.abc import Callable
from typing import Any

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.metadata import IMAGENET_MEAN, IMAGENET_STD
from bisenetformer_ros.model.backbones import STDC, ResNet
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.context_path import ContextPath
from bisenetformer_ros.model.feature_fusion import FeatureFusion
from bisenetformer_ros.model.transformer_decoder import TransformerDecoder


def bisenetformer(
    backbone: STDC | ResNet,
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
    """Build the network around a backbone; defaults are the paper's.

    Args:
        backbone: Any of `model.backbones`.
        num_classes: K, without "no object".
        channels: Width of the pixel features.
        dim: Width of the decoder; a multiple of 4 and of `num_heads`.
        num_heads: Attention heads per layer.
        feedforward_dim: Hidden width of the decoder's feed-forward layers.
        num_queries: N (table 7 of the paper).
        num_blocks: Decoder blocks, stages × `num_levels` (table 6).
        num_levels: Context maps that the decoder reads: 2 (1/32, 1/16) or 3 (also 1/8).
        pixel_mean: R, G, B, 0..255.
        pixel_std: R, G, B, 0..255.

    Raises:
        ConfigError: A value is out of range.
    """
    _check_counts(
        num_classes=num_classes,
        channels=channels,
        dim=dim,
        num_heads=num_heads,
        feedforward_dim=feedforward_dim,
        num_queries=num_queries,
        num_blocks=num_blocks,
        num_levels=num_levels,
    )
    if num_levels not in (2, 3):
        raise ConfigError(f"num_levels is {num_levels}, expected 2 (1/32, 1/16) or 3 (also 1/8)")
    if num_blocks < num_levels:
        raise ConfigError(f"num_blocks is {num_blocks}, expected at least num_levels ({num_levels})")
    if dim % num_heads or dim % 4:
        raise ConfigError(f"dim is {dim}, expected a multiple of 4 and of num_heads ({num_heads})")
    _, channels8, channels16, channels32 = backbone.out_channels
    return BiSeNetFormer(
        backbone,
        ContextPath((channels16, channels32), channels),
        FeatureFusion(channels8, channels),
        TransformerDecoder(num_classes, channels, dim, num_heads, feedforward_dim, num_queries, num_blocks, num_levels),
        pixel_mean,
        pixel_std,
    )


def bisenetformer_stdc1(num_classes: int, **options: Any) -> BiSeNetFormer:
    """Build with an STDC1 backbone; 13.1 M parameters with 19 classes."""
    return bisenetformer(STDC((2, 2, 2)), num_classes, **options)


def bisenetformer_stdc2(num_classes: int, **options: Any) -> BiSeNetFormer:
    """Build with an STDC2 backbone; 17.1 M parameters with 19 classes."""
    return bisenetformer(STDC((4, 5, 3)), num_classes, **options)


def bisenetformer_r50(num_classes: int, **options: Any) -> BiSeNetFormer:
    """Build with a ResNet-50 backbone; 31.7 M parameters."""
    return bisenetformer(ResNet((3, 4, 6, 3)), num_classes, **options)


def bisenetformer_nano(num_classes: int, **options: Any) -> BiSeNetFormer:
    """Build with STDC1 at half width and a narrower head; 2.9 M parameters. For CPUs; not in the paper."""
    narrower = {"channels": 64, "dim": 128, "feedforward_dim": 256, "num_queries": 50}
    return bisenetformer(STDC((2, 2, 2), base_channels=32), num_classes, **{**narrower, **options})


BUILDERS: dict[str, Callable[..., BiSeNetFormer]] = {
    "bisenetformer-stdc1": bisenetformer_stdc1,
    "bisenetformer-stdc2": bisenetformer_stdc2,
    "bisenetformer-r50": bisenetformer_r50,
    "bisenetformer-nano": bisenetformer_nano,
}


def build_model(name: str, num_classes: int, **options: Any) -> BiSeNetFormer:
    """Build a network with random weights, in training mode.

    Args:
        name: "bisenetformer-stdc1", "bisenetformer-stdc2", "bisenetformer-r50" or "bisenetformer-nano".
        num_classes: K, without "no object".
        **options: num_queries, num_blocks, num_levels (2 or 3) and the other keywords of `bisenetformer`.

    Raises:
        ConfigError: The name is unknown, or an option is unknown or out of range.
    """
    if name not in BUILDERS:
        raise ConfigError(f"unknown model '{name}', expected one of: {', '.join(BUILDERS)}")
    try:
        return BUILDERS[name](num_classes, **options)
    except TypeError as error:
        raise ConfigError(f"model '{name}': {error}") from error


def _check_counts(**values: int) -> None:
    wrong = [
        f"{name} is {value!r}" + ("" if type(value) is int else f" ({type(value).__name__})")
        for name, value in values.items()
        if type(value) is not int or value < 1
    ]
    if wrong:
        raise ConfigError(f"expected whole numbers of at least 1: {', '.join(wrong)}")
