"""The network rewritten for inference: the same function with less arithmetic and less memory traffic.

All rewrites are exact up to rounding:

* Batch normalizations are folded into their convolutions.
* Feature fusion: both projections, the 1×1 convolution after them and its normalization become two 1×1 convolutions.
* Decoder: the projection of a level is folded into the keys and values of the blocks that read the level, which are
  computed together. The part of the keys that depends on the position is cached per input size.
* Keys have no bias: it adds the same to all logits of a query, so the softmax cancels it. The values' bias moves into
  the bias after the attention, since attention weights sum to one.
* Cross-attention runs head by head, with an additive bias instead of a boolean mask.

Two savings are already part of the unfolded `TransformerDecoder`: classes and full-size masks are predicted only once,
at the end, and attention masks come from resized features.
"""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.feature_fusion import FeatureFusion
from bisenetformer_ros.model.layers import ConvBNReLU, module_list
from bisenetformer_ros.model.position_encoding import sine_position_encoding
from bisenetformer_ros.model.transformer_decoder import Attention, TransformerDecoder, tokens


def fold(model: BiSeNetFormer) -> BiSeNetFormer:
    """Return a copy for inference, in eval mode; `model` is not changed."""
    folded = copy.deepcopy(model).eval().requires_grad_(False)
    folded.feature_fusion = FoldedFeatureFusion(folded.feature_fusion)
    folded.decoder = FoldedDecoder(folded.decoder)
    fold_batch_norms(folded)
    return folded


def fold_batch_norms(module: nn.Module) -> None:
    """Fold, in place, each batch normalization that directly follows a convolution into that convolution."""
    for child in module.children():
        fold_batch_norms(child)
    if isinstance(module, ConvBNReLU):
        module.conv, module.bn = _fuse(module.conv, module.bn), nn.Identity()
    if isinstance(module, nn.Sequential):
        for index in range(len(module) - 1):
            conv, norm = module[index], module[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[index], module[index + 1] = _fuse(conv, norm), nn.Identity()


class FoldedFeatureFusion(FeatureFusion):
    """`FeatureFusion` with its three 1×1 convolutions and the normalization between them as two."""

    def __init__(self, fusion: FeatureFusion) -> None:
        nn.Module.__init__(self)
        mix = _fuse(fusion.mix.conv, fusion.mix.bn)
        self.spatial = _compose(fusion.project_spatial, mix, bias=True)
        self.context = _compose(fusion.project_context, mix, bias=False)
        _bias(self.spatial).add_(mix.weight.flatten(1) @ _bias(fusion.project_context))
        self.gate = fusion.gate
        self.out = fusion.out

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        fused = self.spatial(spatial)
        fused += self.context(context)
        return self.reweight(torch.relu_(fused))


class FoldedDecoder(TransformerDecoder):
    """`TransformerDecoder` that computes the keys and values of one level with one matrix product."""

    def __init__(self, decoder: TransformerDecoder) -> None:
        nn.Module.__init__(self)
        self.num_levels = decoder.num_levels
        self.query_feat, self.query_embed = decoder.query_feat, decoder.query_embed
        self.blocks, self.head = copy.deepcopy(decoder.blocks), decoder.head
        position_keys, keys_values = [], []
        for level, projection in enumerate(decoder.level_projections):
            attentions = [block.cross_attention for block in self.blocks[level :: self.num_levels]]
            position_keys.append(_stack([attention.key for attention in attentions]))
            both = _stack([a.key for a in attentions] + [a.value for a in attentions])
            keys_values.append(_linear(both.weight @ projection.weight.flatten(1)))
            for attention in attentions:
                # The keys' biases disappear here; the values' biases move behind the attention.
                value_bias = attention.value.weight @ _bias(projection) + attention.value.bias
                attention.out.bias = _constant(attention.out.weight @ value_bias + attention.out.bias)
        self.keys_of_position, self.keys_values = module_list(position_keys), module_list(keys_values)
        for block in self.blocks:
            block.cross_attention = HeadByHeadAttention(block.cross_attention)
        self._position_cache: dict[int, tuple[torch.Size, Tensor]] = {}  # holds the latest size only

    def predict(self, x: Tensor, mask_features: Tensor) -> tuple[Tensor, Tensor]:
        return self.head.class_logits(x), mask_products(self.head.mask_embed(x), mask_features)

    def attention_mask(self, mask_embed: Tensor, features: Tensor) -> Tensor:
        return attention_bias(mask_products(mask_embed, features).flatten(2))

    def project_keys_values(self, levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        per_level = []
        for index, level in enumerate(levels):
            key_weight, value_weight = self.keys_values[index].weight.chunk(2)
            keys, values = F.linear(tokens(level), key_weight), F.linear(tokens(level), value_weight)
            keys += self._position_keys(index, level)
            count = len(self.blocks[index :: self.num_levels])
            per_level.append(list(zip(keys.chunk(count, dim=2), values.chunk(count, dim=2), strict=True)))
        return [per_level[i % self.num_levels][i // self.num_levels] for i in range(len(self.blocks))]

    def _position_keys(self, index: int, level: Tensor) -> Tensor:
        """Return the position's share of the keys of all blocks that read a level: (1, S, blocks · D)."""
        size = level.shape[-2:]
        if index not in self._position_cache or self._position_cache[index][0] != size:
            project = self.keys_of_position[index]
            encoding = sine_position_encoding(size[0], size[1], project.in_features, level.device)
            self._position_cache[index] = size, project(tokens(encoding).to(project.weight.dtype))
        return self._position_cache[index][1]


class HeadByHeadAttention(Attention):
    """`Attention` with an additive bias instead of a boolean mask, one head at a time.

    A head's logits, 3 MiB for 100 queries and 8192 keys, stay in a CPU's cache until they are used. PyTorch's fused
    CPU kernel splits the keys for that, and its products are too small to be fast.
    """

    def __init__(self, attention: Attention) -> None:
        nn.Module.__init__(self)
        self.num_heads = attention.num_heads
        self.query, self.key, self.value, self.out = attention.query, attention.key, attention.value, attention.out

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """As `Attention.attend`, but `mask` (B, N, S) is a bias, see `attention_bias`, and required."""
        assert mask is not None
        query = query * (query.shape[2] // self.num_heads) ** -0.5
        attended = [self._attend(*of_image) for of_image in zip(query, key, value, mask.to(query.dtype), strict=True)]
        return self.out(torch.stack(attended))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Attend within one image: query (N, D), key and value (S, D), bias (N, S) → (N, D)."""
        heads = zip(*(x.chunk(self.num_heads, dim=1) for x in (query, key, value)), strict=True)
        return torch.cat([torch.addmm(bias, q, k.t()).softmax(dim=1) @ v for q, k, v in heads], dim=1)


def attention_bias(mask_logits: Tensor) -> Tensor:
    """Return what to add to the attention logits so that a query ignores keys with a negative mask logit.

    This is `attention_mask` without booleans, which are slow on CPUs. A query whose mask is empty attends everywhere.

    Args:
        mask_logits: (B, N, S).

    Returns:
        (B, N, S): 0 where a query may attend, else its logit times the largest finite number, which softmax maps to 0.
    """
    has_mask = (mask_logits.amax(dim=2, keepdim=True) >= 0).to(mask_logits.dtype)
    return mask_logits.clamp(max=0).mul_(has_mask * torch.finfo(mask_logits.dtype).max)


def mask_products(mask_embed: Tensor, features: Tensor) -> Tensor:
    """Multiply (B, N, C) · (B, C, H, W) to (B, N, H, W), without the copy of `features` that bmm makes in bf16."""
    products = [F.linear(embed, pixels) for embed, pixels in zip(mask_embed, tokens(features), strict=True)]
    batch = torch.stack(products) if len(products) > 1 else products[0][None]
    return batch.unflatten(2, features.shape[-2:])


def _fuse(conv: nn.Conv2d, norm: nn.Module) -> nn.Conv2d:
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm)


def _compose(first: nn.Conv2d, second: nn.Conv2d, bias: bool) -> nn.Conv2d:
    """Compose two 1×1 convolutions, with both biases or neither."""
    matrix = second.weight.flatten(1)
    composed = nn.utils.skip_init(nn.Conv2d, first.in_channels, second.out_channels, 1, bias=bias)
    composed.weight = _constant((matrix @ first.weight.flatten(1))[:, :, None, None])
    if bias:
        composed.bias = _constant(matrix @ _bias(first) + _bias(second))
    return composed


def _bias(conv: nn.Conv2d) -> nn.Parameter:
    return conv.get_parameter("bias")


def _stack(linears: list[nn.Linear]) -> nn.Linear:
    """Stack linear layers on the same input into one, without their biases."""
    return _linear(torch.cat([linear.weight for linear in linears]))


def _linear(weight: Tensor) -> nn.Linear:
    linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=False)
    linear.weight = _constant(weight)
    return linear


def _constant(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)
