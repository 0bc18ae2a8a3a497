"""Each optimization of the inference path against a plain form without it."""

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.feature_fusion import FeatureFusion
from bisenetformer_ros.model.folding import (
    FoldedDecoder,
    FoldedFeatureFusion,
    HeadByHeadAttention,
    attention_bias,
    fold,
    fold_batch_norms,
)
from bisenetformer_ros.model.layers import ConvBNReLU
from bisenetformer_ros.model.position_encoding import sine_position_encoding
from bisenetformer_ros.model.transformer_decoder import (
    Attention,
    TransformerDecoder,
    attention_mask,
    mask_products,
    resize_features,
)

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
BOTH_PRECISIONS = pytest.mark.parametrize("dtype", TOLERANCE, ids=["float64", "float32"])
ATTENTION_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}
ModelFactory = Callable[..., BiSeNetFormer]


def assert_same(actual: Tensor, expected: Tensor) -> None:
    """Equal up to rounding, relative to the largest value."""
    assert actual.shape == expected.shape
    error = (actual - expected).abs().max() / expected.abs().max()
    assert error <= TOLERANCE[expected.dtype], f"relative error {error:.1e}"


def plain_decoder(
    decoder: TransformerDecoder, levels: Sequence[Tensor], mask_features: Tensor
) -> tuple[Tensor, Tensor]:
    """Masks at 1/8 before every block, resized to its level; keys and values projected block by block."""
    batch_size = len(mask_features)
    x = decoder.query_feat.weight.expand(batch_size, -1, -1)
    embed = decoder.query_embed.weight.expand(batch_size, -1, -1)
    head = decoder.head
    for index, block in enumerate(decoder.blocks):
        level = levels[index % decoder.num_levels]
        masks = torch.einsum("bnc,bchw->bnhw", head.mask_embedding(head.norm(x)), mask_features)
        resized = F.interpolate(masks, size=level.shape[-2:], mode="bilinear", align_corners=False)
        blocked = resized.flatten(2) < 0
        blocked[blocked.all(dim=2)] = False
        source = decoder.level_projections[index % decoder.num_levels](level)
        position = sine_position_encoding(*level.shape[-2:], source.shape[1]).to(source.dtype)
        value = source.flatten(2).transpose(1, 2)
        key = (source + position).flatten(2).transpose(1, 2)
        x = x + plain_attention(block.cross_attention, block.cross_norm(x) + embed, key, value, blocked)
        normed = block.self_norm(x)
        x = x + plain_attention(block.self_attention, normed + embed, normed + embed, normed)
        x = x + block.feedforward(block.feedforward_norm(x))
    masks = torch.einsum("bnc,bchw->bnhw", head.mask_embedding(head.norm(x)), mask_features)
    return head.classes(head.norm(x)), masks


def plain_attention(
    attention: nn.Module, query: Tensor, key: Tensor, value: Tensor, blocked: Tensor | None = None
) -> Tensor:
    heads = attention.num_heads
    query, key, value = (
        part.unflatten(2, (heads, -1)).transpose(1, 2)
        for part in (attention.query(query), attention.key(key), attention.value(value))
    )
    scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
    if blocked is not None:
        scores = scores.masked_fill(blocked[:, None], float("-inf"))
    return attention.out((scores.softmax(dim=3) @ value).transpose(1, 2).flatten(2))


def plain_model(model: BiSeNetFormer, images: Tensor) -> tuple[Tensor, Tensor]:
    features = model.extract(images)
    return plain_decoder(model.decoder, features.levels, features.mask)


def decoder_inputs(dtype: torch.dtype, num_levels: int) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(3)
    levels = [torch.randn(2, 16, 3 << i, 5 << i, generator=generator, dtype=dtype) for i in range(num_levels)]
    return levels, torch.randn(2, 16, 12, 20, generator=generator, dtype=dtype)


@BOTH_PRECISIONS
def test_resizing_features_equals_resizing_masks(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    mask_embed, features = torch.randn(2, 9, 16, dtype=dtype), torch.randn(2, 16, 24, 36, dtype=dtype)
    for size in ((12, 18), (6, 9), (5, 7)):
        expected = F.interpolate(mask_products(mask_embed, features), size=size, mode="bilinear", align_corners=False)
        assert_same(mask_products(mask_embed, resize_features(features, size)), expected)


@BOTH_PRECISIONS
@pytest.mark.parametrize("num_levels", [2, 3])
@pytest.mark.parametrize("folded", [False, True])
def test_the_decoder_predicts_the_same_with_fewer_masks_and_stacked_keys(
    random_model: ModelFactory, dtype: torch.dtype, num_levels: int, folded: bool
) -> None:
    decoder = random_model(num_levels=num_levels, num_blocks=2 * num_levels + 1).decoder.to(dtype)
    levels, mask_features = decoder_inputs(dtype, num_levels)
    with torch.no_grad():
        actual = (FoldedDecoder(decoder) if folded else decoder)(levels, mask_features)
        expected = plain_decoder(decoder, levels, mask_features)
    for ours, plain in zip(actual, expected, strict=True):
        assert_same(ours, plain)


@BOTH_PRECISIONS
@pytest.mark.parametrize("num_levels", [2, 3])
def test_level_projections_fold_into_keys_and_values(
    random_model: ModelFactory, dtype: torch.dtype, num_levels: int
) -> None:
    decoder = random_model(num_levels=num_levels, num_blocks=2 * num_levels + 1).decoder.to(dtype)
    levels, _ = decoder_inputs(dtype, num_levels)
    with torch.no_grad():
        folded = FoldedDecoder(decoder).project_keys_values(levels)
        for index, (block, (key, value)) in enumerate(zip(decoder.blocks, folded, strict=True)):
            level = levels[index % num_levels]
            source = decoder.level_projections[index % num_levels](level)
            position = sine_position_encoding(*level.shape[-2:], source.shape[1]).to(dtype)
            attention = block.cross_attention
            # Every bias on the way, that of the projection and of the layer itself, is left out.
            projection_bias = decoder.level_projections[index % num_levels].bias
            key_bias, value_bias = attention.key(projection_bias), attention.value(projection_bias)
            assert_same(key + key_bias, attention.key((source + position).flatten(2).transpose(1, 2)))
            assert_same(value + value_bias, attention.value(source.flatten(2).transpose(1, 2)))


@BOTH_PRECISIONS
def test_key_biases_cancel_and_value_biases_move_behind_the_attention(
    random_model: ModelFactory, dtype: torch.dtype
) -> None:
    attention = random_model().decoder.blocks[0].cross_attention.to(dtype)
    torch.manual_seed(1)
    for projection in (attention.key, attention.value):
        nn.init.normal_(projection.bias)
    dim = attention.key.in_features
    query, key = torch.randn(2, 7, dim, dtype=dtype), torch.randn(2, 9, dim, dtype=dtype)
    allowed = torch.rand(2, 7, 9) < 0.6
    allowed[:, :, 0] = True
    with torch.no_grad():
        expected = plain_attention(attention, query, key, key, ~allowed)
        without = [F.linear(key, projection.weight) for projection in (attention.key, attention.value)]
        actual = attention.attend(attention.query(query), *without, allowed)
        assert_same(actual + attention.out.weight @ attention.value.bias, expected)


@BOTH_PRECISIONS
def test_feature_fusion_is_two_convolutions(random_model: ModelFactory, dtype: torch.dtype) -> None:
    fusion: FeatureFusion = random_model().feature_fusion.to(dtype)
    torch.manual_seed(0)
    spatial, context = torch.randn(2, 128, 6, 10, dtype=dtype), torch.randn(2, 16, 6, 10, dtype=dtype)
    with torch.no_grad():
        summed = fusion.project_spatial(spatial) + fusion.project_context(context)
        mixed = torch.relu(fusion.mix.bn(fusion.mix.conv(summed)))
        gate = mixed.mean(dim=(2, 3), keepdim=True)
        gate = torch.sigmoid(F.conv2d(torch.relu(F.conv2d(gate, fusion.gate[0].weight)), fusion.gate[2].weight))
        expected = torch.relu(fusion.out.bn(fusion.out.conv(mixed + mixed * gate)))
        assert_same(fusion(spatial, context), expected)
        assert_same(FoldedFeatureFusion(fusion)(spatial, context), expected)


@BOTH_PRECISIONS
def test_normalizations_fold_into_their_convolutions(random_model: ModelFactory, dtype: torch.dtype) -> None:
    backbone = random_model().backbone.to(dtype)
    images = torch.randn(2, 3, 64, 96, dtype=dtype)
    with torch.no_grad():
        expected = backbone(images)
        fold_batch_norms(backbone)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())
        for folded, plain in zip(backbone(images), expected, strict=True):
            assert_same(folded, plain)


@BOTH_PRECISIONS
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bisenetformer-nano", {"num_levels": 2}),
        ("bisenetformer-nano", {"num_levels": 3}),
        ("bisenetformer-stdc2", {"num_blocks": 2}),
        ("bisenetformer-r50", {"num_blocks": 2}),
    ],
)
def test_the_whole_network_folds(
    random_model: ModelFactory, dtype: torch.dtype, name: str, options: dict[str, int]
) -> None:
    model = random_model(name, **options).to(dtype)
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(5), dtype=dtype) * 255
    with torch.no_grad():
        for folded, plain in zip(fold(model)(images), plain_model(model, images), strict=True):
            assert_same(folded, plain)


def test_the_position_cache_follows_the_input_size(random_model: ModelFactory) -> None:
    model = random_model().double()
    folded = fold(model)
    for size in ((96, 160), (64, 32), (160, 96), (96, 160)):
        images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 255
        with torch.no_grad():
            for ours, plain in zip(folded(images), plain_model(model, images), strict=True):
                assert_same(ours, plain)


def test_folding_does_not_change_the_model(random_model: ModelFactory) -> None:
    model = random_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded = fold(model.train())
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not folded.training
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert not any(type(module) in (nn.BatchNorm2d, FeatureFusion) for module in folded.modules())


def test_convolutions_without_normalization_are_unchanged() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), ConvBNReLU(4, 4)).eval()
    before = plain[0].weight.clone()
    fold_batch_norms(plain)
    assert torch.equal(plain[0].weight, before)
    assert isinstance(plain[2].bn, nn.Identity)


def steering_logits(dtype: torch.dtype) -> torch.Tensor:
    """Return (2, 5, 7) mask logits: large, barely negative, zero, and queries with no or every key allowed."""
    logits = 20 * torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    logits[0, 0] = -3.0  # an empty mask
    logits[0, 1] = 4.0
    logits[1, 0, :3] = torch.tensor([0.0, -0.0, -1e-30])
    logits[1, 1] = -1e-30
    return logits.to(dtype)


@pytest.mark.parametrize("dtype", ATTENTION_TOLERANCE, ids=str)
def test_head_by_head_attention_equals_masked_attention(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    attention = Attention(dim=24, num_heads=3).to(dtype)
    query, key, value = (torch.randn(2, length, 24).to(dtype) for length in (5, 7, 7))
    logits = steering_logits(dtype)
    mask_embed, features = logits, torch.eye(7).to(dtype).view(1, 7, 7, 1).expand(2, -1, -1, -1)
    with torch.no_grad():
        expected = attention.attend(query, key, value, attention_mask(mask_embed, features))
        actual = HeadByHeadAttention(attention).attend(query, key, value, attention_bias(logits))
    torch.testing.assert_close(actual, expected, rtol=0, atol=ATTENTION_TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ATTENTION_TOLERANCE, ids=str)
def test_the_bias_leaves_no_weight_on_blocked_keys(dtype: torch.dtype) -> None:
    logits = steering_logits(dtype)
    blocked = (logits < 0) & (logits >= 0).any(dim=2, keepdim=True)
    weights = attention_bias(logits).softmax(dim=2)
    assert (weights[blocked] == 0).all()
    assert (weights[~blocked] > 0).all()
