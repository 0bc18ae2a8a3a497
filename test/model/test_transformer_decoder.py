import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.transformer_decoder import Attention, DecoderBlock, TransformerDecoder, attention_mask


def as_torch(attention: Attention) -> nn.MultiheadAttention:
    """PyTorch's own attention with the same weights."""
    parts = (attention.query, attention.key, attention.value)
    out = attention.out
    module = nn.MultiheadAttention(out.in_features, attention.num_heads, batch_first=True, dtype=out.weight.dtype)
    module.load_state_dict(
        {
            "in_proj_weight": torch.cat([part.weight for part in parts]),
            "in_proj_bias": torch.cat([part.bias for part in parts]),
            "out_proj.weight": out.weight,
            "out_proj.bias": out.bias,
        }
    )
    return module


def random_attention(dim: int, num_heads: int) -> Attention:
    attention = Attention(dim, num_heads)
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.3)
    return attention.double()


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_equals_pytorch(masked: bool) -> None:
    torch.manual_seed(0)
    attention = random_attention(24, 3)
    query, key, value = normal(2, 5, 24), normal(2, 11, 24), normal(2, 11, 24)
    allowed, blocked = None, None
    if masked:
        allowed = torch.rand(2, 5, 11) < 0.5
        allowed[:, :, 0] = True
        blocked = ~allowed.repeat_interleave(3, dim=0)  # PyTorch: one mask per head, true where it may not look
    expected, _ = as_torch(attention)(query, key, value, attn_mask=blocked)
    torch.testing.assert_close(attention(query, key, value, allowed), expected)


def test_a_block_is_cross_attention_then_self_attention_then_feedforward_each_normalized_first() -> None:
    torch.manual_seed(0)
    block = DecoderBlock(24, 3, 40).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    x, query_embed, key, value = normal(2, 5, 24), normal(2, 5, 24), normal(2, 11, 24), normal(2, 11, 24)
    allowed = torch.rand(2, 5, 11) < 0.7
    allowed[:, :, 0] = True

    blocked = ~allowed.repeat_interleave(3, dim=0)
    query = block.cross_norm(x) + query_embed
    expected = x + as_torch(block.cross_attention)(query, key, value, attn_mask=blocked)[0]
    normed = block.self_norm(expected)
    positioned = normed + query_embed
    expected = expected + as_torch(block.self_attention)(positioned, positioned, normed)[0]
    hidden = torch.relu(block.feedforward[0](block.feedforward_norm(expected)))
    expected = expected + block.feedforward[2](hidden)

    cross = block.cross_attention
    torch.testing.assert_close(block(x, query_embed, cross.key(key), cross.value(value), allowed), expected)


def test_attention_mask() -> None:
    mask_embed = torch.eye(3)[None]  # query i reads channel i
    features = torch.tensor([[[1.0, -1.0], [0.0, -0.1]], [[-1.0, -2.0], [-3.0, -4.0]], [[5.0, 6.0], [7.0, 8.0]]])[None]
    assert attention_mask(mask_embed, features).tolist() == [
        [[True, False, True, False], [True, True, True, True], [True, True, True, True]]
    ]


@pytest.mark.parametrize("num_levels", [2, 3])
def test_blocks_read_levels_in_turn_from_the_coarsest(
    random_model: Callable[..., BiSeNetFormer], num_levels: int
) -> None:
    decoder = random_model(num_levels=num_levels, num_blocks=num_levels + 1).decoder
    levels = [torch.randn(1, 16, 2 << i, 3 << i, requires_grad=True) for i in range(num_levels)]
    mask_features = torch.randn(1, 16, 8, 12)
    states = decoder.queries(levels, mask_features)
    for after, state in enumerate(states):
        gradients = torch.autograd.grad(state.sum(), levels, retain_graph=True, allow_unused=True)
        read = [gradient is not None and bool(gradient.any()) for gradient in gradients]
        assert read == [index < after for index in range(num_levels)]


def test_training_predicts_every_state_and_inference_the_last(
    random_model: Callable[..., BiSeNetFormer],
) -> None:
    decoder = random_model(num_blocks=4).decoder
    levels, mask_features = [torch.randn(2, 16, 2, 3), torch.randn(2, 16, 4, 6)], torch.randn(2, 16, 8, 12)
    with torch.no_grad():
        predictions = decoder.predict_all(levels, mask_features)
        last = decoder(levels, mask_features)
    assert [(c.shape, m.shape) for c, m in predictions] == [((2, 9, 6), (2, 9, 8, 12))] * 5
    assert all(torch.equal(ours, all_of_them) for ours, all_of_them in zip(last, predictions[-1], strict=True))


def test_initialization_equals_the_authors() -> None:
    torch.manual_seed(0)
    decoder = TransformerDecoder(19, 64, 128, 8, 256, 100, 2, 2)
    attention = decoder.blocks[0].cross_attention
    packed = math.sqrt(6 / (128 + 3 * 128))  # xavier of query, key and value in one matrix
    for part in (attention.query, attention.key, attention.value):
        assert 0.95 * packed < part.weight.abs().max() <= packed
        assert not part.bias.any()
    assert 0.95 * math.sqrt(6 / 256) < attention.out.weight.abs().max() <= math.sqrt(6 / 256)
    feedforward = decoder.blocks[0].feedforward[0]
    assert 0.95 * math.sqrt(6 / 384) < feedforward.weight.abs().max() <= math.sqrt(6 / 384)
    projection = decoder.level_projections[0]
    assert 0.95 * math.sqrt(3 / 64) < projection.weight.abs().max() <= math.sqrt(3 / 64)
    assert not projection.bias.any()
    for embedding in (decoder.query_feat, decoder.query_embed):
        assert embedding.weight.std().item() == pytest.approx(1, abs=0.03)
