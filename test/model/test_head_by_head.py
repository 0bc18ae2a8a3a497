"""The CPU's form of masked attention against PyTorch's own."""

import pytest
import torch

from bisenetformer_ros.model.head_by_head import HeadByHeadAttention, attention_bias
from bisenetformer_ros.model.transformer_decoder import Attention, attention_mask

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}


def steering_logits(dtype: torch.dtype) -> torch.Tensor:
    """(2, 5, 7) mask logits of every kind: large, hardly negative, zero, and queries with nothing or all allowed."""
    logits = 20 * torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    logits[0, 0] = -3.0  # an empty mask
    logits[0, 1] = 4.0
    logits[1, 0, :3] = torch.tensor([0.0, -0.0, -1e-30])
    logits[1, 1] = -1e-30
    return logits.to(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_it_attends_to_the_same(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    attention = Attention(dim=24, num_heads=3).to(dtype)
    query, key, value = (torch.randn(2, length, 24).to(dtype) for length in (5, 7, 7))
    logits = steering_logits(dtype)
    mask_embed, features = logits, torch.eye(7).to(dtype).view(1, 7, 7, 1).expand(2, -1, -1, -1)
    with torch.no_grad():
        expected = attention.attend(query, key, value, attention_mask(mask_embed, features))
        actual = HeadByHeadAttention(attention).attend(query, key, value, attention_bias(logits))
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_bias_leaves_nothing_of_what_is_blocked(dtype: torch.dtype) -> None:
    logits = steering_logits(dtype)
    blocked = (logits < 0) & (logits >= 0).any(dim=2, keepdim=True)
    weights = attention_bias(logits).softmax(dim=2)
    assert (weights[blocked] == 0).all()
    assert (weights[~blocked] > 0).all()
