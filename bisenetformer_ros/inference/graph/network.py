"""The folded network as plain operators, with float32 where 16 bits do not suffice.

In half precision, weights and activations are float16. The queries and their layer normalizations (sums over many
layers), every softmax, the attention masks (only their sign matters) and the class logits stay float32.
"""

import torch
from torch import Tensor, nn

from bisenetformer_ros.model.bisenetformer import STRIDE, BiSeNetFormer
from bisenetformer_ros.model.folding import FoldedDecoder
from bisenetformer_ros.model.layers import module_list
from bisenetformer_ros.model.position_encoding import sine_position_encoding
from bisenetformer_ros.model.transformer_decoder import Attention, DecoderBlock, mask_products, resize_features, tokens

BLOCKED = -1e4
"""Bias of keys that a query may not attend to: finite, and low enough that softmax gives 0 in float32."""


class ExportableNetwork(nn.Module):
    """`folded` for padded images of (height, width) `padded_size`.

    It shares the weights of `folded`, and converts them to `dtype` in place: networks of one folded model for several
    sizes hold its weights once.
    """

    def __init__(self, folded: BiSeNetFormer, padded_size: tuple[int, int], dtype: torch.dtype) -> None:
        super().__init__()
        assert isinstance(folded.decoder, FoldedDecoder)
        height, width = padded_size
        strides = [STRIDE >> level for level in range(folded.decoder.num_levels)]
        level_sizes = [(height // stride, width // stride) for stride in strides]
        self.dtype = dtype
        self.backbone = folded.backbone.to(dtype)
        self.context_path = folded.context_path.to(dtype)
        self.feature_fusion = folded.feature_fusion.to(dtype)
        self.decoder = ExportableDecoder(folded.decoder, level_sizes, dtype)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map normalized images (B, 3, *padded_size) to class_logits (B, N, K+1) and mask_logits (B, N, H/8, W/8).

        Inputs and outputs are float32.
        """
        _, res3, res4, res5 = self.backbone(images.to(self.dtype))
        context = self.context_path(res3, res4, res5)
        mask_features = self.feature_fusion(res3, context[2])
        return self.decoder(context[: len(self.decoder.level_sizes)], mask_features)


class ExportableDecoder(nn.Module):
    """`FoldedDecoder` for levels of fixed sizes, coarsest first."""

    def __init__(self, decoder: FoldedDecoder, level_sizes: list[tuple[int, int]], dtype: torch.dtype) -> None:
        super().__init__()
        self.level_sizes = level_sizes
        self.query_feat = nn.Parameter(decoder.query_feat.weight[None].float())
        self.query_embed = nn.Parameter(decoder.query_embed.weight[None].float())
        self.head = decoder.head
        self.blocks = module_list(ExportableBlock(block, dtype) for block in decoder.blocks)
        for level, (size, project) in enumerate(zip(level_sizes, decoder.keys_of_position, strict=True)):
            with torch.no_grad():
                position_keys = project(tokens(sine_position_encoding(size[0], size[1], project.in_features)))
            self.register_buffer(f"position_keys_{level}", position_keys.to(dtype))
        self.keys_values = module_list(keys_values.to(dtype) for keys_values in decoder.keys_values)

    def forward(self, levels: tuple[Tensor, ...], mask_features: Tensor) -> tuple[Tensor, Tensor]:
        keys_values = self.project_keys_values(levels)
        steering = [resize_features(mask_features, size).float() for size in self.level_sizes]
        x = self.query_feat  # (1, N, D): the first block makes it (B, N, D)
        for index, (block, (key, value)) in enumerate(zip(self.blocks, keys_values, strict=True)):
            bias = blocking_bias(self.head.mask_embed(x), steering[index % len(levels)])
            x = block(x, self.query_embed, key, value, bias)
        mask_embed = self.head.mask_embed(x).to(mask_features.dtype)
        return self.head.class_logits(x), mask_products(mask_embed, mask_features).float()

    def project_keys_values(self, levels: tuple[Tensor, ...]) -> list[tuple[Tensor, Tensor]]:
        """Return keys and values of every block, (B, S, D) each."""
        dim = self.query_feat.shape[2]
        keys_values: dict[int, tuple[Tensor, Tensor]] = {}
        for index, level in enumerate(levels):
            both = self.keys_values[index](tokens(level))
            half = both.shape[2] // 2  # the keys of the blocks that read this level, then their values
            keys = both[:, :, :half] + self.get_buffer(f"position_keys_{index}")
            values = both[:, :, half:]
            for place, block in enumerate(range(index, len(self.blocks), len(levels))):
                part = slice(place * dim, (place + 1) * dim)
                keys_values[block] = keys[:, :, part], values[:, :, part]
        return [keys_values[block] for block in range(len(self.blocks))]


class ExportableBlock(nn.Module):
    """`DecoderBlock` with linear layers in `dtype` and float32 sums."""

    def __init__(self, block: DecoderBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.cross_norm, self.self_norm = block.cross_norm, block.self_norm
        self.feedforward_norm = block.feedforward_norm
        self.cross_attention = block.cross_attention.to(dtype)
        self.self_attention = block.self_attention.to(dtype)
        self.feedforward = block.feedforward.to(dtype)

    def forward(self, x: Tensor, query_embed: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Refine the queries; as `DecoderBlock.forward` with float32 `x` and a float32 bias (B, 1, N, S) as the mask.

        The batch of `x` and `query_embed` may be 1.
        """
        cross, own = self.cross_attention, self.self_attention
        query = cross.query((self.cross_norm(x) + query_embed).to(self.dtype))
        x = x + attend(cross, query, key, value, bias).float()
        normed = self.self_norm(x)
        positioned = (normed + query_embed).to(self.dtype)
        value = own.value(normed.to(self.dtype))
        x = x + attend(own, own.query(positioned), own.key(positioned), value).float()
        return x + self.feedforward(self.feedforward_norm(x).to(self.dtype)).float()


def attend(attention: Attention, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute `Attention.attend` with explicit operators, and the softmax in float32."""
    heads = attention.num_heads
    query, key, value = (x.unflatten(2, (heads, x.shape[2] // heads)).transpose(1, 2) for x in (query, key, value))
    logits = torch.matmul(query * query.shape[3] ** -0.5, key.transpose(2, 3)).float()
    if bias is not None:
        logits = logits + bias
    attended = torch.matmul(logits.softmax(dim=3).to(value.dtype), value)
    return attention.out(attended.transpose(1, 2).flatten(2))


def blocking_bias(mask_embed: Tensor, features: Tensor) -> Tensor:
    """Return BLOCKED where `attention_mask` is false, else 0: (B, 1, N, H·W) float32."""
    logits = torch.matmul(mask_embed, features.flatten(2))
    blocked = (logits < 0) & (logits.amax(dim=2, keepdim=True) >= 0)
    return blocked[:, None].float() * BLOCKED
