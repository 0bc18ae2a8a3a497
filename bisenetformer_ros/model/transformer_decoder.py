"""Transformer decoder: queries, refined by the context features, become class logits and mask embeddings.

Blocks after Cheng et al., Mask2Former, CVPR 2022: masked cross-attention, self-attention, feed-forward (equations 4
to 6), all with the normalization first.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.model.position_encoding import sine_position_encoding


class Attention(nn.Module):
    """Multi-head scaled dot-product attention."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        for projection in (self.query, self.key, self.value):
            # As if the three were one (3·dim, dim) matrix, which is how the authors initialize them.
            nn.init.xavier_uniform_(projection.weight, gain=2**-0.5)
            nn.init.zeros_(projection.bias)
        nn.init.xavier_uniform_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        """query (B, N, D); key and value (B, S, D); allowed (B, N, S) bool, None = everything → (B, N, D)."""
        return self.attend(self.query(query), self.key(key), self.value(value), allowed)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
        """The same on inputs that are already projected."""
        query, key, value = (self._split_heads(x) for x in (query, key, value))
        mask = None if allowed is None else allowed[:, None]
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class DecoderBlock(nn.Module):
    """One round of masked cross-attention, self-attention and feed-forward."""

    def __init__(self, dim: int, num_heads: int, feedforward_dim: int) -> None:
        super().__init__()
        self.cross_norm = nn.LayerNorm(dim)
        self.cross_attention = Attention(dim, num_heads)
        self.self_norm = nn.LayerNorm(dim)
        self.self_attention = Attention(dim, num_heads)
        self.feedforward_norm = nn.LayerNorm(dim)
        self.feedforward = nn.Sequential(nn.Linear(dim, feedforward_dim), nn.ReLU(), nn.Linear(feedforward_dim, dim))
        for linear in (self.feedforward[0], self.feedforward[2]):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, x: Tensor, query_embed: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
        """x, query_embed (B, N, D); key and value (B, S, D), projected; allowed (B, N, S) bool → (B, N, D)."""
        cross = self.cross_attention
        x = x + cross.attend(cross.query(self.cross_norm(x) + query_embed), key, value, allowed)
        normed = self.self_norm(x)
        positioned = normed + query_embed
        x = x + self.self_attention(positioned, positioned, normed)
        return x + self.feedforward(self.feedforward_norm(x))


class PredictionHead(nn.Module):
    """Query → class logits and mask embedding; one head serves the predictions before and after every block."""

    def __init__(self, dim: int, mask_dim: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.classes = nn.Linear(dim, num_classes + 1)
        self.mask_embedding = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, mask_dim)
        )

    def class_logits(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, N, K+1); the last class is 'no object'."""
        return self.classes(self.norm(x))

    def mask_embed(self, x: Tensor) -> Tensor:
        """(B, N, D) → (B, N, C); its dot product with the mask features is the mask logit (equation 12)."""
        return self.mask_embedding(self.norm(x))


class TransformerDecoder(nn.Module):
    """in_channels: C of the context and mask features; the decoder works in `dim` channels.

    Blocks take the levels in turn: block i reads level i mod num_levels, the coarsest first.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dim: int,
        num_heads: int,
        feedforward_dim: int,
        num_queries: int,
        num_blocks: int,
        num_levels: int,
    ) -> None:
        super().__init__()
        self.num_levels = num_levels
        self.query_feat = nn.Embedding(num_queries, dim)
        self.query_embed = nn.Embedding(num_queries, dim)
        self.level_projections = nn.ModuleList(nn.Conv2d(in_channels, dim, 1) for _ in range(num_levels))
        self.blocks = nn.ModuleList(DecoderBlock(dim, num_heads, feedforward_dim) for _ in range(num_blocks))
        self.head = PredictionHead(dim, in_channels, num_classes)
        for projection in self.level_projections:
            nn.init.kaiming_uniform_(projection.weight, a=1)
            nn.init.zeros_(projection.bias)

    def forward(self, levels: Sequence[Tensor], mask_features: Tensor) -> tuple[Tensor, Tensor]:
        """levels: `num_levels` maps (B, C, h, w), coarsest first; mask_features (B, C, H/8, W/8).

        Returns class_logits (B, N, K+1) and mask_logits (B, N, H/8, W/8) of the last prediction alone: the earlier
        ones only steer the attention, which needs neither their classes nor their full-size masks.
        """
        x = self.queries(levels, mask_features)[-1]
        return self.predict(x, mask_features)

    def predict_all(self, levels: Sequence[Tensor], mask_features: Tensor) -> list[tuple[Tensor, Tensor]]:
        """As `forward`, but the predictions before the first and after every block: 1 + num_blocks, for training."""
        return [self.predict(x, mask_features) for x in self.queries(levels, mask_features)]

    def predict(self, x: Tensor, mask_features: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (B, N, D) → class_logits (B, N, K+1), mask_logits (B, N, H/8, W/8)."""
        return self.head.class_logits(x), mask_products(self.head.mask_embed(x), mask_features)

    def queries(self, levels: Sequence[Tensor], mask_features: Tensor) -> list[Tensor]:
        """The queries (B, N, D) before the first and after every block."""
        keys_values = self.project_keys_values(levels)
        steering = [resize_features(mask_features.detach(), level.shape[-2:]) for level in levels]
        batch_size = mask_features.shape[0]
        query_embed = self.query_embed.weight.expand(batch_size, -1, -1)
        x = self.query_feat.weight.expand(batch_size, -1, -1)
        states = [x]
        for index, (block, (key, value)) in enumerate(zip(self.blocks, keys_values, strict=True)):
            with torch.no_grad():
                allowed = self.steer(self.head.mask_embed(x), steering[index % self.num_levels])
            x = block(x, query_embed, key, value, allowed)
            states.append(x)
        return states

    def steer(self, mask_embed: Tensor, features: Tensor) -> Tensor:
        """What the blocks' cross-attention takes to know where a query may look."""
        return attention_mask(mask_embed, features)

    def project_keys_values(self, levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Keys (with position) and values (without) of every block, (B, S, D) each."""
        sources, positioned = [], []
        for level, projection in zip(levels, self.level_projections, strict=True):
            source = projection(level)
            height, width = source.shape[-2:]
            position = sine_position_encoding(height, width, source.shape[1], source.device)
            sources.append(tokens(source))
            positioned.append(tokens(source + position))
        keys_values = []
        for index, block in enumerate(self.blocks):
            attention, level_index = block.cross_attention, index % self.num_levels
            keys_values.append((attention.key(positioned[level_index]), attention.value(sources[level_index])))
        return keys_values


def tokens(x: Tensor) -> Tensor:
    """(B, C, H, W) → (B, H·W, C)."""
    return x.flatten(2).transpose(1, 2)


def resize_features(mask_features: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, (B, C, H, W) → (B, C, *size).

    A mask logit is linear in the features, so resizing these once per level and multiplying there gives the same as
    resizing every mask from 1/8.
    """
    return F.interpolate(mask_features, size=tuple(size), mode="bilinear", align_corners=False)


def mask_products(mask_embed: Tensor, features: Tensor) -> Tensor:
    """(B, N, C) · (B, C, H, W) → (B, N, H, W)."""
    return torch.bmm(mask_embed, features.flatten(2)).unflatten(2, features.shape[-2:])


def attention_mask(mask_embed: Tensor, features: Tensor) -> Tensor:
    """Where a query may look: (B, N, H·W) bool, true where its mask logit is not negative.

    A query whose mask is empty at this level may look everywhere.
    """
    allowed = mask_products(mask_embed, features).flatten(2) >= 0
    return allowed | ~allowed.any(dim=2, keepdim=True)
