"""Generated tensors under the names of the authors' published checkpoints."""

from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Variant:
    name: str
    depths: tuple[int, int, int]
    channels: int
    num_blocks: int
    feedforward_dim: int
    num_classes: int = 150


S = Variant("bisenetformer-stdc1", (2, 2, 2), 128, 6, 1024)
M = Variant("bisenetformer-stdc2", (4, 5, 3), 96, 4, 512)
L = Variant("bisenetformer-stdc2", (4, 5, 3), 128, 6, 1024)

DIM, NUM_HEADS, NUM_QUERIES = 256, 8, 100
DECODER, HEADS = "head.predictor.", "head.predictor.forward_prediction_heads."
CROSS, SELF, FEEDFORWARD = (
    DECODER + f"transformer_{kind}_layers." for kind in ("cross_attention", "self_attention", "ffn")
)


def weights(name: str, *shape: int, bias: bool = False) -> Tensors:
    fan_in = torch.Size(shape[1:]).numel()
    tensors = {f"{name}.weight": torch.randn(*shape) * (2 / fan_in) ** 0.5}
    return tensors | ({f"{name}.bias": torch.randn(shape[0]) * 0.1} if bias else {})


def norm(name: str, channels: int) -> Tensors:
    return {f"{name}.weight": torch.rand(channels) + 0.5, f"{name}.bias": torch.randn(channels) * 0.2}


def batch_norm(name: str, channels: int) -> Tensors:
    return norm(name, channels) | {
        f"{name}.running_mean": torch.randn(channels) * 0.2,
        f"{name}.running_var": torch.rand(channels) + 0.5,
        f"{name}.num_batches_tracked": torch.tensor(7),
    }


def conv_bn(name: str, in_channels: int, out_channels: int, kernel: int) -> Tensors:
    conv = weights(f"{name}.conv", out_channels, in_channels, kernel, kernel)
    return conv | batch_norm(f"{name}.bn", out_channels)


def backbone_tensors(prefix: str, depths: tuple[int, int, int]) -> Tensors:
    tensors = conv_bn(f"{prefix}features.0", 3, 32, 3) | conv_bn(f"{prefix}features.1", 32, 64, 3)
    index, in_channels = 2, 64
    for depth, out in zip(depths, (256, 512, 1024), strict=True):
        for position in range(depth):
            block = f"{prefix}features.{index}"
            widths = [in_channels, out // 2, out // 4, out // 8, out // 8]
            for number in range(4):
                kernel = 1 if number == 0 else 3
                tensors |= conv_bn(f"{block}.conv_list.{number}", widths[number], widths[number + 1], kernel)
            if position == 0:
                tensors |= weights(f"{block}.avd_layer.0", out // 2, 1, 3, 3) | batch_norm(
                    f"{block}.avd_layer.1", out // 2
                )
            index, in_channels = index + 1, out
    return tensors


def pixel_decoder_tensors(c: int) -> Tensors:
    tensors: Tensors = {}
    for arm, in_channels in (("arm32", 1024), ("arm16", 512)):
        name = f"pixel_decoder.cp.{arm}"
        tensors |= weights(f"{name}.proj", c, in_channels, 1, 1) | conv_bn(f"{name}.conv", c, c, 3)
        tensors |= weights(f"{name}.conv_atten", c, c, 1, 1) | batch_norm(f"{name}.bn_atten", c)
    tensors |= conv_bn("pixel_decoder.cp.conv_avg", 1024, c, 1)
    tensors |= conv_bn("pixel_decoder.cp.conv_head32", c, c, 3) | conv_bn("pixel_decoder.cp.conv_head16", c, c, 3)
    tensors |= weights("pixel_decoder.ffm.proj1", c, 256, 1, 1, bias=True)
    tensors |= weights("pixel_decoder.ffm.proj2", c, c, 1, 1, bias=True) | conv_bn("pixel_decoder.ffm.convblk", c, c, 1)
    tensors |= weights("pixel_decoder.ffm.conv1", c // 4, c, 1, 1) | weights("pixel_decoder.ffm.conv2", c, c // 4, 1, 1)
    return tensors | conv_bn("pixel_decoder.conv_out", c, c, 3)


def decoder_tensors(variant: Variant) -> Tensors:
    c, hidden = variant.channels, variant.feedforward_dim
    tensors = {f"{DECODER}query_{kind}.weight": torch.randn(NUM_QUERIES, DIM) for kind in ("feat", "embed")}
    for level in range(2):
        tensors |= weights(f"{DECODER}input_proj.{level}", DIM, c, 1, 1, bias=True)
    for index in range(variant.num_blocks):
        for kind, inner in ((CROSS, "multihead_attn"), (SELF, "self_attn")):
            tensors |= weights(f"{kind}{index}.{inner}.out_proj", DIM, DIM, bias=True) | norm(
                f"{kind}{index}.norm", DIM
            )
            tensors[f"{kind}{index}.{inner}.in_proj_weight"] = torch.randn(3 * DIM, DIM) / DIM**0.5
            tensors[f"{kind}{index}.{inner}.in_proj_bias"] = torch.randn(3 * DIM) * 0.1
        tensors |= weights(f"{FEEDFORWARD}{index}.linear1", hidden, DIM, bias=True)
        tensors |= weights(f"{FEEDFORWARD}{index}.linear2", DIM, hidden, bias=True) | norm(
            f"{FEEDFORWARD}{index}.norm", DIM
        )
    tensors |= norm(f"{HEADS}decoder_norm", DIM) | weights(
        f"{HEADS}classifier", variant.num_classes + 1, DIM, bias=True
    )
    for layer, out in enumerate((DIM, DIM, c)):
        tensors |= weights(f"{HEADS}mask_classifier.layers.{layer}", out, DIM, bias=True)
    return tensors | {"head.criterion.empty_weight": torch.ones(variant.num_classes + 1)}


def authors_tensors(variant: Variant) -> Tensors:
    torch.manual_seed(0)
    backbone = backbone_tensors("pixel_decoder.backbone.", variant.depths)
    return backbone | pixel_decoder_tensors(variant.channels) | decoder_tensors(variant)


def imagenet_tensors(depths: tuple[int, int, int]) -> Tensors:
    torch.manual_seed(0)
    tensors = backbone_tensors("", depths)
    aliases = {"x2.0": "features.0", "x4.0": "features.1", "x8.0": "features.2", "x32.1": "features.7"}
    for alias, original in aliases.items():
        tensors |= {n.replace(original, alias, 1): t for n, t in tensors.items() if n.startswith(original + ".")}
    tensors |= conv_bn("conv_last", 1024, 1024, 1) | weights("fc", 1024, 1024) | batch_norm("bn", 1024)
    return tensors | weights("linear", 1000, 1024)
