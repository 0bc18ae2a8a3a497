from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.metadata import IMAGENET_MEAN, IMAGENET_STD
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer

ModelFactory = Callable[..., BiSeNetFormer]


def conv_bn_relu(x: Tensor, block: nn.Module) -> Tensor:
    return torch.relu(block.bn(F.conv2d(x, block.conv.weight, padding=block.conv.weight.shape[-1] // 2)))


def refined(x: Tensor, arm: nn.Module) -> Tensor:
    """Attention refinement."""
    y = conv_bn_relu(F.conv2d(x, arm.project.weight), arm.conv)
    attention = arm.gate[1](F.conv2d(y.mean(dim=(2, 3), keepdim=True), arm.gate[0].weight))
    return y * attention.sigmoid()


def twice_the_size(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def test_output_shapes_follow_the_image(random_model: ModelFactory) -> None:
    with torch.no_grad():
        class_logits, mask_logits = random_model()(torch.rand(2, 3, 64, 160) * 255)
    assert class_logits.shape == (2, 9, 6)
    assert mask_logits.shape == (2, 9, 8, 20)


def test_context_path_follows_its_equations(random_model: ModelFactory) -> None:
    model = random_model(num_levels=3).double()
    path = model.context_path
    images = torch.rand(2, 3, 64, 96, dtype=torch.float64) * 255
    mean, std = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        features = model.extract(images)
        _, _, res4, res5 = model.backbone((images - mean) / std)
        context32 = refined(res5, path.refine32) + conv_bn_relu(res5.mean(dim=(2, 3), keepdim=True), path.scene)
        context16 = refined(res4, path.refine16) + conv_bn_relu(twice_the_size(context32), path.head32)
        context8 = conv_bn_relu(twice_the_size(context16), path.head16)
    for ours, expected in zip(features.levels, (context32, context16, context8), strict=True):
        torch.testing.assert_close(ours, expected)


def test_the_decoder_does_not_read_the_finest_context(random_model: ModelFactory) -> None:
    with torch.no_grad():
        features = random_model(num_levels=2).extract(torch.rand(1, 3, 64, 96))
    assert [tuple(level.shape[-2:]) for level in features.levels] == [(2, 3), (4, 6)]
    assert features.mask.shape == (1, 16, 8, 12)


def test_the_mean_colour_is_zero_inside(random_model: ModelFactory) -> None:
    model = random_model()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    with torch.no_grad():
        model.extract(mean.expand(1, 3, 32, 32))
        model.extract((mean + std).expand(1, 3, 32, 32))
    assert torch.equal(seen[0], torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(seen[1], torch.ones(1, 3, 32, 32))


@pytest.mark.parametrize("size", [(64, 100), (48, 64)])
def test_sizes_must_be_multiples_of_the_stride(random_model: ModelFactory, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"multiples of 32, got {size[0]}x{size[1]}"):
        random_model()(torch.zeros(1, 3, *size))


def test_training_requires_two_images(random_model: ModelFactory) -> None:
    with pytest.raises(ValueError, match="at least 2 images per batch"):
        random_model().train().extract(torch.zeros(1, 3, 64, 64))
