"""The network rewritten for inference: the same function with less arithmetic and less memory traffic.

`fold` applies, all exact up to rounding:

* every batch normalization is folded into its convolution;
* feature fusion: both projections, the 1×1 convolution behind them and its normalization become two 1×1 convolutions;
* decoder: the projection of a level is folded into the keys and values of the blocks that read it, which are computed
  together; the part of the keys that comes from the position is constant and kept per input size;
* keys have no bias, since it adds the same to all logits of a query, which the softmax does not see; that of the values
  is part of the bias behind the attention, whose weights add up to one;
* cross-attention works head by head, and adds a bias where it must not look, rather than select by booleans.

(That class and full-size mask predictions are made once, at the end, and that the attention masks come from resized
features, holds for the unfolded network too: see `TransformerDecoder`.)
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.feature_fusion import FeatureFusion
from bisenetformer_ros.model.head_by_head import HeadByHeadAttention, attention_bias
from bisenetformer_ros.model.layers import ConvBNReLU
from bisenetformer_ros.model.position_encoding import sine_position_encoding
from bisenetformer_ros.model.transformer_decoder import TransformerDecoder, tokens


def fold(model: BiSeNetFormer) -> BiSeNetFormer:
    """A copy for inference alone, in eval mode; the given model is left as it is."""
    folded = copy.deepcopy(model).eval().requires_grad_(False)
    folded.feature_fusion = FoldedFeatureFusion(folded.feature_fusion)
    folded.decoder = FoldedDecoder(folded.decoder)
    fold_batch_norms(folded)
    return folded


def fold_batch_norms(module: nn.Module) -> None:
    """Replaces, in place, each convolution that a batch normalization follows directly by one convolution."""
    for child in module.children():
        fold_batch_norms(child)
    if isinstance(module, ConvBNReLU):
        module.conv = fuse_conv_bn_eval(module.conv, module.bn)
        module.bn = nn.Identity()
    if isinstance(module, nn.Sequential):
        for index in range(len(module) - 1):
            if isinstance(module[index], nn.Conv2d) and isinstance(module[index + 1], nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(module[index], module[index + 1])
                module[index + 1] = nn.Identity()


class FoldedFeatureFusion(nn.Module):
    """`FeatureFusion` with its three 1×1 convolutions and the normalization between them as two."""

    def __init__(self, fusion: FeatureFusion) -> None:
        super().__init__()
        mix = fuse_conv_bn_eval(fusion.mix.conv, fusion.mix.bn)
        self.spatial = _compose(fusion.project_spatial, mix, bias=True)
        self.context = _compose(fusion.project_context, mix, bias=False)
        self.spatial.bias += mix.weight.flatten(1) @ fusion.project_context.bias
        self.gate = fusion.gate
        self.out = fusion.out

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        fused = self.spatial(spatial)
        fused += self.context(context)
        return self.reweight(torch.relu_(fused))

    reweight = FeatureFusion.reweight


class FoldedDecoder(TransformerDecoder):
    """`TransformerDecoder` whose keys and values of one level come from one matrix product."""

    def __init__(self, decoder: TransformerDecoder) -> None:
        nn.Module.__init__(self)
        self.num_levels = decoder.num_levels
        self.query_feat, self.query_embed = decoder.query_feat, decoder.query_embed
        self.blocks, self.head = copy.deepcopy(decoder.blocks), decoder.head
        self.keys_of_position = nn.ModuleList()
        self.keys_values = nn.ModuleList()
        for level, projection in enumerate(decoder.level_projections):
            attentions = [block.cross_attention for block in self.blocks[level :: self.num_levels]]
            self.keys_of_position.append(_stack([attention.key for attention in attentions]))
            both = _stack([a.key for a in attentions] + [a.value for a in attentions])
            self.keys_values.append(_linear(both.weight @ projection.weight.flatten(1)))
            for attention in attentions:
                # The keys' biases disappear here; what the values' would have added comes out with `out`.
                value_bias = attention.value.weight @ projection.bias + attention.value.bias
                attention.out.bias = _constant(attention.out.weight @ value_bias + attention.out.bias)
        for block in self.blocks:
            block.cross_attention = HeadByHeadAttention(block.cross_attention)
        self._position_cache: dict[int, tuple[torch.Size, Tensor]] = {}  # of the latest size alone

    def predict(self, x: Tensor, mask_features: Tensor) -> tuple[Tensor, Tensor]:
        return self.head.class_logits(x), mask_products(self.head.mask_embed(x), mask_features)

    def steer(self, mask_embed: Tensor, features: Tensor) -> Tensor:
        return attention_bias(mask_products(mask_embed, features).flatten(2))

    def project_keys_values(self, levels: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        per_level = []
        for index, level in enumerate(levels):
            of_keys, of_values = self.keys_values[index].weight.chunk(2)
            keys, values = F.linear(tokens(level), of_keys), F.linear(tokens(level), of_values)
            keys += self._position_keys(index, level)
            count = len(self.blocks[index :: self.num_levels])
            per_level.append(list(zip(keys.chunk(count, dim=2), values.chunk(count, dim=2), strict=True)))
        return [per_level[i % self.num_levels][i // self.num_levels] for i in range(len(self.blocks))]

    def _position_keys(self, index: int, level: Tensor) -> Tensor:
        """What the position adds to the keys of all blocks of a level: (1, S, blocks · D)."""
        size = level.shape[-2:]
        if index not in self._position_cache or self._position_cache[index][0] != size:
            project = self.keys_of_position[index]
            encoding = sine_position_encoding(*size, project.in_features, level.device)
            self._position_cache[index] = size, project(tokens(encoding).to(project.weight.dtype))
        return self._position_cache[index][1]


def mask_products(mask_embed: Tensor, features: Tensor) -> Tensor:
    """(B, N, C) · (B, C, H, W) → (B, N, H, W), without the copy that bmm makes of features in bf16."""
    products = [F.linear(embed, pixels) for embed, pixels in zip(mask_embed, tokens(features), strict=True)]
    batch = torch.stack(products) if len(products) > 1 else products[0][None]
    return batch.unflatten(2, features.shape[-2:])


def _compose(first: nn.Conv2d, second: nn.Conv2d, bias: bool) -> nn.Conv2d:
    """Two 1×1 convolutions as one; with bias, both biases are in it, else neither."""
    matrix = second.weight.flatten(1)
    composed = nn.utils.skip_init(nn.Conv2d, first.in_channels, second.out_channels, 1, bias=bias)
    composed.weight = _constant((matrix @ first.weight.flatten(1))[:, :, None, None])
    if bias:
        composed.bias = _constant(matrix @ first.bias + second.bias)
    return composed


def _stack(linears: list[nn.Linear]) -> nn.Linear:
    """Linear layers on the same input as one whose outputs are theirs, one behind the other, without the biases."""
    return _linear(torch.cat([linear.weight for linear in linears]))


def _linear(weight: Tensor) -> nn.Linear:
    linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=False)
    linear.weight = _constant(weight)
    return linear


def _constant(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)
