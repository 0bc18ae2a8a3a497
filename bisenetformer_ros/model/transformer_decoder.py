"""Transformer decoder: refines queries with the context features and predicts class logits and masks from them.

Blocks as in Mask2Former (Cheng et al., CVPR 2022): masked cross-attention, self-attention, feed-forward (equations 4 to
6 of the paper), with pre-normalization.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.model.layers import module_list
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
            # The authors initialize the three as one (3·dim, dim) matrix.
            nn.init.xavier_uniform_(projection.weight, gain=2**-0.5)
            nn.init.zeros_(projection.bias)
        nn.init.xavier_uniform_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Project the inputs and attend.

        Args:
            query: (B, N, D).
            key: (B, S, D).
            value: (B, S, D).
            mask: (B, N, S) bool, true where a query may attend; None for everywhere.

        Returns:
            (B, N, D).
        """
        return self.attend(self.query(query), self.key(key), self.value(value), mask)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend with inputs that are already projected; shapes as in `forward`."""
        query, key, value = (self._split_heads(x) for x in (query, key, value))
        mask = None if mask is None else mask[:, None]
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
        widen, narrow = nn.Linear(dim, feedforward_dim), nn.Linear(feedforward_dim, dim)
        self.feedforward = nn.Sequential(widen, nn.ReLU(), narrow)
        for linear in (widen, narrow):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, x: Tensor, query_embed: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Refine the queries.

        Args:
            x: (B, N, D) queries.
            query_embed: (B, N, D) learned position of each query.
            key: (B, S, D), projected.
            value: (B, S, D), projected.
            mask: (B, N, S), as `TransformerDecoder.attention_mask` returns it.

        Returns:
            (B, N, D) queries.
        """
        cross = self.cross_attention
        x = x + cross.attend(cross.query(self.cross_norm(x) + query_embed), key, value, mask)
        normed = self.self_norm(x)
        positioned = normed + query_embed
        x = x + self.self_attention(positioned, positioned, normed)
        return x + self.feedforward(self.feedforward_norm(x))


class PredictionHead(nn.Module):
    """Predicts class logits and mask embeddings; the predictions before and after every block share one head."""

    def __init__(self, dim: int, mask_dim: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.classes = nn.Linear(dim, num_classes + 1)
        self.mask_embedding = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, mask_dim)
        )

    def class_logits(self, x: Tensor) -> Tensor:
        """Map (B, N, D) to (B, N, K+1); the last class is "no object"."""
        return self.classes(self.norm(x))

    def mask_embed(self, x: Tensor) -> Tensor:
        """Map (B, N, D) to (B, N, C), whose dot product with the mask features is the mask logit (equation 12)."""
        return self.mask_embedding(self.norm(x))


class TransformerDecoder(nn.Module):
    """Decodes queries with the context features. Block i reads level i mod num_levels, the coarsest first.

    Args:
        num_classes: K, without "no object".
        in_channels: C of the context and mask features.
        dim: D, width of the queries.
        num_heads: Attention heads; divides `dim`.
        feedforward_dim: Hidden width of the feed-forward layers.
        num_queries: N.
        num_blocks: Blocks in total.
        num_levels: Context maps that the blocks read in turn.
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
        self.level_projections = module_list(nn.Conv2d(in_channels, dim, 1) for _ in range(num_levels))
        self.blocks = module_list(DecoderBlock(dim, num_heads, feedforward_dim) for _ in range(num_blocks))
        self.head = PredictionHead(dim, in_channels, num_classes)
        for projection in self.level_projections:
            nn.init.kaiming_uniform_(projection.weight, a=1)
            nn.init.zeros_(projection.get_parameter("bias"))

    def forward(self, levels: Sequence[Tensor], mask_features: Tensor) -> tuple[Tensor, Tensor]:
        """Predict once, after the last block; earlier predictions only steer the attention.

        Args:
            levels: `num_levels` maps (B, C, h, w), coarsest first.
            mask_features: (B, C, H/8, W/8).

        Returns:
            class_logits (B, N, K+1) and mask_logits (B, N, H/8, W/8).
        """
        x = self.queries(levels, mask_features)[-1]
        return self.predict(x, mask_features)

    def predict_all(self, levels: Sequence[Tensor], mask_features: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Predict before the first and after every block, as training requires: 1 + num_blocks predictions."""
        return [self.predict(x, mask_features) for x in self.queries(levels, mask_features)]

    def predict(self, x: Tensor, mask_features: Tensor) -> tuple[Tensor, Tensor]:
        """Predict class_logits (B, N, K+1) and mask_logits (B, N, H/8, W/8) from queries (B, N, D)."""
        return self.head.class_logits(x), mask_products(self.head.mask_embed(x), mask_features)

    def queries(self, levels: Sequence[Tensor], mask_features: Tensor) -> list[Tensor]:
        """Return the queries (B, N, D) before the first and after every block."""
        keys_values = self.project_keys_values(levels)
        steering = [resize_features(mask_features.detach(), level.shape[-2:]) for level in levels]
        batch_size = mask_features.shape[0]
        query_embed = self.query_embed.weight.expand(batch_size, -1, -1)
        x = self.query_feat.weight.expand(batch_size, -1, -1)
        states = [x]
        for index, (block, (key, value)) in enumerate(zip(self.blocks, keys_values, strict=True)):
            with torch.no_grad():
                mask = self.attention_mask(self.head.mask_embed(x), steering[index % self.num_levels])
            x = block(x, query_embed, key, value, mask)
            states.append(x)
        return states

    def attention_mask(self, mask_embed: Tensor, features: Tensor) -> Tensor:
        """Return the mask (B, N, S) that `DecoderBlock` takes; overridden for other kinds of attention."""
        return attention_mask(mask_embed, features)

    def project_keys_values(self, levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return keys (with position) and values (without) of every block, (B, S, D) each."""
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
    """Flatten (B, C, H, W) to (B, H·W, C)."""
    return x.flatten(2).transpose(1, 2)


def resize_features(mask_features: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (B, C, H, W) bilinearly to (B, C, *size).

    Mask logits are linear in the features, so resizing the features once per level equals resizing every mask.
    """
    return F.interpolate(mask_features, size=tuple(size), mode="bilinear", align_corners=False)


def mask_products(mask_embed: Tensor, features: Tensor) -> Tensor:
    """Multiply (B, N, C) · (B, C, H, W) to (B, N, H, W)."""
    return torch.bmm(mask_embed, features.flatten(2)).unflatten(2, features.shape[-2:])


def attention_mask(mask_embed: Tensor, features: Tensor) -> Tensor:
    """Return (B, N, H·W) bool, true where a query's mask logit is not negative, so where it may attend.

    A query whose mask is empty at this level may attend everywhere.
    """
    allowed = mask_products(mask_embed, features).flatten(2) >= 0
    return allowed | ~allowed.any(dim=2, keepdim=True)
