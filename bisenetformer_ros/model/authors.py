"""Translates the names and the structure of the authors' published checkpoints to ours."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bisenetformer_ros.errors import ModelError

_BACKBONE = "pixel_decoder.backbone."
_FUSION = "pixel_decoder.ffm."
_PREDICTOR = "head.predictor."
_HEADS = _PREDICTOR + "forward_prediction_heads."

NUM_HEADS = 8
"""Attention heads in every published model; the tensors do not show their number."""

AUTHORS_TASK = "semantic"
"""The task of every published checkpoint."""

_STDC_STAGES: dict[tuple[int, ...], str] = {(2, 2, 2): "bisenetformer-stdc1", (4, 5, 3): "bisenetformer-stdc2"}
_STEM_FEATURES = 2

# Authors' name → ours; the first match wins. `rename_stdc` renames the blocks of the backbone.
_RENAMING = [
    (r"pixel_decoder\.cp\.arm(16|32)\.proj\.", r"context_path.refine\1.project."),
    (r"pixel_decoder\.cp\.arm(16|32)\.conv\.", r"context_path.refine\1.conv."),
    (r"pixel_decoder\.cp\.arm(16|32)\.conv_atten\.", r"context_path.refine\1.gate.0."),
    (r"pixel_decoder\.cp\.arm(16|32)\.bn_atten\.", r"context_path.refine\1.gate.1."),
    (r"pixel_decoder\.cp\.conv_avg\.", r"context_path.scene."),
    (r"pixel_decoder\.cp\.conv_head(16|32)\.", r"context_path.head\1."),
    (r"pixel_decoder\.ffm\.proj1\.", r"feature_fusion.project_spatial."),
    (r"pixel_decoder\.ffm\.proj2\.", r"feature_fusion.project_context."),
    (r"pixel_decoder\.ffm\.convblk\.", r"feature_fusion.mix."),
    (r"pixel_decoder\.ffm\.conv1\.", r"feature_fusion.gate.0."),
    (r"pixel_decoder\.ffm\.conv2\.", r"feature_fusion.gate.2."),
    (r"pixel_decoder\.conv_out\.", r"feature_fusion.out."),
    (r"head\.predictor\.query_(feat|embed)\.", r"decoder.query_\1."),
    (r"head\.predictor\.input_proj\.(\d+)\.", r"decoder.level_projections.\1."),
    (r"head\.predictor\.transformer_cross_attention_layers\.(\d+)\.norm\.", r"decoder.blocks.\1.cross_norm."),
    (r"head\.predictor\.transformer_self_attention_layers\.(\d+)\.norm\.", r"decoder.blocks.\1.self_norm."),
    (
        r"head\.predictor\.transformer_(cross|self)_attention_layers\.(\d+)\.(?:multihead_attn|self_attn)\.out_proj\.",
        r"decoder.blocks.\2.\1_attention.out.",
    ),
    (
        r"head\.predictor\.transformer_(cross|self)_attention_layers\.(\d+)\.(?:multihead_attn|self_attn)\.in_proj_",
        r"decoder.blocks.\2.\1_attention.in_proj.",
    ),
    (r"head\.predictor\.transformer_ffn_layers\.(\d+)\.norm\.", r"decoder.blocks.\1.feedforward_norm."),
    (r"head\.predictor\.transformer_ffn_layers\.(\d+)\.linear1\.", r"decoder.blocks.\1.feedforward.0."),
    (r"head\.predictor\.transformer_ffn_layers\.(\d+)\.linear2\.", r"decoder.blocks.\1.feedforward.2."),
    (r"head\.predictor\.forward_prediction_heads\.decoder_norm\.", r"decoder.head.norm."),
    (r"head\.predictor\.forward_prediction_heads\.classifier\.", r"decoder.head.classes."),
    (r"head\.predictor\.forward_prediction_heads\.mask_classifier\.layers\.0\.", r"decoder.head.mask_embedding.0."),
    (r"head\.predictor\.forward_prediction_heads\.mask_classifier\.layers\.1\.", r"decoder.head.mask_embedding.2."),
    (r"head\.predictor\.forward_prediction_heads\.mask_classifier\.layers\.2\.", r"decoder.head.mask_embedding.4."),
]
_DROPPED = re.compile(r"head\.criterion\.|pixel_(mean|std)$|.*num_batches_tracked$")


def is_authors_checkpoint(tensors: dict[str, Tensor]) -> bool:
    """Return whether the tensors are a whole network of the authors."""
    return any(name.startswith(_PREDICTOR) for name in tensors)


def from_authors(tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Translate a checkpoint.

    Returns:
        The `build_model` keywords that the tensors imply, and the tensors under our names. Unknown names stay, so that
        loading reports them.

    Raises:
        ModelError: The structure cannot be inferred.
    """
    tensors = {name: tensor for name, tensor in tensors.items() if not _DROPPED.match(name)}
    depths = stdc_depths(tensors, _BACKBONE)
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.startswith(_BACKBONE):
            renamed["backbone." + rename_stdc(name.removeprefix(_BACKBONE), depths)] = tensor
        else:
            renamed.update(_split_packed(rename(name, _RENAMING), tensor))
    return _architecture(tensors, depths), renamed


def _architecture(tensors: dict[str, Tensor], depths: tuple[int, ...]) -> dict[str, Any]:
    def shape(name: str) -> torch.Size:
        if name not in tensors:
            raise ModelError(f"cannot infer the structure of this checkpoint: it has no tensor '{name}'")
        return tensors[name].shape

    num_queries, dim = shape(_PREDICTOR + "query_feat.weight")
    return {
        "name": _STDC_STAGES[depths],
        "num_classes": shape(_HEADS + "classifier.weight")[0] - 1,
        "channels": shape(_FUSION + "proj1.weight")[0],
        "dim": dim,
        "num_heads": NUM_HEADS,
        "feedforward_dim": shape(_PREDICTOR + "transformer_ffn_layers.0.linear1.weight")[0],
        "num_queries": num_queries,
        "num_blocks": _count(tensors, _PREDICTOR + r"transformer_ffn_layers\.(\d+)\."),
        "num_levels": _count(tensors, _PREDICTOR + r"input_proj\.(\d+)\."),
    }


def _count(tensors: dict[str, Tensor], pattern: str) -> int:
    return len({match[1] for name in tensors if (match := re.match(pattern, name))})


def stdc_depths(tensors: dict[str, Tensor], prefix: str) -> tuple[int, ...]:
    """Infer the blocks per stage: a block with a stride, which has an `avd_layer`, starts a stage."""
    num_features = _count(tensors, re.escape(prefix) + r"features\.(\d+)\.")
    starts = sorted(
        {int(m[1]) for name in tensors if (m := re.match(re.escape(prefix) + r"features\.(\d+)\.avd_layer\.", name))}
    )
    depths = tuple(after - before for before, after in zip(starts, [*starts[1:], num_features], strict=False))
    if depths not in _STDC_STAGES:
        raise ModelError(
            f"the backbone has stages of {list(depths)} blocks, expected one of "
            f"{', '.join(str(list(known)) for known in _STDC_STAGES)} (STDC1, STDC2)"
        )
    return depths


def rename_stdc(name: str, depths: tuple[int, ...]) -> str:
    """Rename features.N.conv… to stem.N.conv… or stages.S.B.convs…"""
    match = re.match(r"features\.(\d+)\.(.*)", name)
    if not match:
        return name
    index, rest = int(match[1]), match[2]
    if index < _STEM_FEATURES:
        return f"stem.{index}.{rest}"
    index -= _STEM_FEATURES
    stage = 0
    while index >= depths[stage]:
        index -= depths[stage]
        stage += 1
    rest = rest.replace("conv_list.", "convs.").replace("avd_layer.", "downsample.")
    return f"stages.{stage}.{index}.{rest}"


def rename(name: str, renaming: Sequence[tuple[str, str]]) -> str:
    """Apply the first of the (pattern, replacement) pairs that matches the start of `name`."""
    for pattern, replacement in renaming:
        renamed, count = re.subn("^" + pattern, replacement, name)
        if count:
            return renamed
    return name


def _split_packed(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Split PyTorch's packed input projection of attention into query, key and value."""
    if ".in_proj." not in name:
        return {name: tensor}
    return {
        name.replace(".in_proj.", f".{part}."): rows
        for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True)
    }
