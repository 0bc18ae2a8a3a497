from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.model.backbones import STDC, Bottleneck, CatBottleneck, ResNet

STDC_DEPTHS = {"STDC1": (2, 2, 2), "STDC2": (4, 5, 3)}


def conv_bn(x: Tensor, conv: nn.Conv2d, bn: nn.BatchNorm2d, **options: int) -> Tensor:
    """Convolution and normalization by its definition."""
    y = F.conv2d(x, conv.weight, padding=conv.weight.shape[-1] // 2, **options)
    mean, var, weight, bias = (t[:, None, None] for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias))
    return (y - mean) / torch.sqrt(var + 1e-5) * weight + bias


def with_random_statistics(block: nn.Module) -> nn.Module:
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.weight.data, module.bias.data):
                tensor.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    return block.eval().double()


@pytest.mark.parametrize("depths", STDC_DEPTHS.values(), ids=STDC_DEPTHS)
@pytest.mark.parametrize("base", [32, 64])
def test_stdc_halves_the_size_five_times(depths: Sequence[int], base: int) -> None:
    backbone = STDC(depths, base).eval()
    outputs = backbone(torch.rand(1, 3, 64, 96))
    assert [tuple(output.shape) for output in outputs] == [
        (1, base, 16, 24),
        (1, 4 * base, 8, 12),
        (1, 8 * base, 4, 6),
        (1, 16 * base, 2, 3),
    ]
    assert backbone.out_channels == tuple(output.shape[1] for output in outputs)
    assert tuple(len(stage) for stage in backbone.stages) == tuple(depths)


@pytest.mark.parametrize("stride", [1, 2])
def test_cat_bottleneck_concatenates_four_convolutions(stride: int) -> None:
    torch.manual_seed(0)
    block = with_random_statistics(CatBottleneck(6, 32, stride))
    x = torch.randn(2, 6, 10, 14, dtype=torch.float64)
    first = F.relu(conv_bn(x, block.convs[0].conv, block.convs[0].bn))
    if stride == 2:
        below = conv_bn(first, block.downsample[0], block.downsample[1], stride=2, groups=16)
        shown = F.avg_pool2d(first, 3, stride=2, padding=1)
    else:
        below, shown = first, first
    second = F.relu(conv_bn(below, block.convs[1].conv, block.convs[1].bn))
    third = F.relu(conv_bn(second, block.convs[2].conv, block.convs[2].bn))
    fourth = F.relu(conv_bn(third, block.convs[3].conv, block.convs[3].bn))
    assert [part.shape[1] for part in (shown, second, third, fourth)] == [16, 8, 4, 4]
    torch.testing.assert_close(block(x), torch.cat((shown, second, third, fourth), dim=1))


def test_resnet_halves_the_size_five_times() -> None:
    backbone = ResNet((1, 1, 1, 1)).eval()
    outputs = backbone(torch.rand(1, 3, 64, 96))
    assert [tuple(output.shape) for output in outputs] == [
        (1, 256, 16, 24),
        (1, 512, 8, 12),
        (1, 1024, 4, 6),
        (1, 2048, 2, 3),
    ]
    assert backbone.out_channels == (256, 512, 1024, 2048)


@pytest.mark.parametrize(("in_channels", "stride"), [(32, 1), (16, 1), (16, 2)])
def test_resnet_bottleneck_has_its_stride_in_the_middle(in_channels: int, stride: int) -> None:
    torch.manual_seed(0)
    block = with_random_statistics(Bottleneck(in_channels, 8, stride))
    x = torch.randn(2, in_channels, 10, 14, dtype=torch.float64)
    y = F.relu(conv_bn(x, block.reduce.conv, block.reduce.bn))
    y = F.relu(conv_bn(y, block.spatial.conv, block.spatial.bn, stride=stride))
    y = conv_bn(y, block.expand[0], block.expand[1])
    has_projection = (in_channels, stride) != (32, 1)
    shortcut = conv_bn(x, block.shortcut[0], block.shortcut[1], stride=stride) if has_projection else x
    torch.testing.assert_close(block(x), F.relu(y + shortcut))


def test_resnet50_has_the_convolutions_of_its_name() -> None:
    convolutions = [module for module in ResNet((3, 4, 6, 3)).modules() if isinstance(module, nn.Conv2d)]
    projections = 4
    assert len(convolutions) - projections + 1 == 50  # the classifier is the fiftieth layer
    assert all(conv.bias is None for conv in convolutions)
