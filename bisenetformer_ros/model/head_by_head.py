"""Masked attention of few queries to many keys, as fast as a CPU's caches allow."""

import torch
from torch import Tensor, nn

from bisenetformer_ros.model.transformer_decoder import Attention


class HeadByHeadAttention(Attention):
    """`Attention` with a bias instead of a mask, one head at a time.

    The logits of a head, 3 MiB for 100 queries and 8192 keys, stay in the cache until they are used. PyTorch's fused
    kernel for CPUs cuts the keys into pieces for that, and its products are too small to be fast.
    """

    def __init__(self, attention: Attention) -> None:
        nn.Module.__init__(self)
        self.num_heads = attention.num_heads
        self.query, self.key, self.value, self.out = attention.query, attention.key, attention.value, attention.out

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """query (B, N, D), key and value (B, S, D), projected; bias (B, N, S), see `attention_bias` → (B, N, D)."""
        query = query * (query.shape[2] // self.num_heads) ** -0.5
        attended = [self._attend(*of_image) for of_image in zip(query, key, value, bias.to(query.dtype), strict=True)]
        return self.out(torch.stack(attended))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Of one image: query (N, D), key and value (S, D), bias (N, S) → (N, D)."""
        heads = zip(*(x.chunk(self.num_heads, dim=1) for x in (query, key, value)), strict=True)
        return torch.cat([torch.addmm(bias, q, k.t()).softmax(dim=1) @ v for q, k, v in heads], dim=1)


def attention_bias(mask_logits: Tensor) -> Tensor:
    """What to add to the attention's logits, so that a query does not look where its mask logit is negative.

    mask_logits (B, N, S) → the same shape: 0 where a query may look; elsewhere the logit times the largest number, so
    nothing of it is left behind the softmax. A query whose mask is empty may look everywhere. This is `attention_mask`
    without booleans, which are slow on CPUs.
    """
    has_mask = (mask_logits.amax(dim=2, keepdim=True) >= 0).to(mask_logits.dtype)
    return mask_logits.clamp(max=0).mul_(has_mask * torch.finfo(mask_logits.dtype).max)
