"""torchvision's ResNet-50: generated tensors under its names, and a network that runs on these directly."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model import build_model
from bisenetformer_ros.model.imagenet import backbone_tensors
from bisenetformer_ros.model.initialization import initialize

Tensors = dict[str, Tensor]
LABELS = LabelMap.load("cityscapes19")


def conv_bn(conv: str, bn: str, in_channels: int, out_channels: int, kernel: int) -> Tensors:
    return {
        f"{conv}.weight": torch.randn(out_channels, in_channels, kernel, kernel) / (in_channels * kernel**2) ** 0.5,
        f"{bn}.weight": torch.rand(out_channels) + 0.5,
        f"{bn}.bias": torch.randn(out_channels) * 0.2,
        f"{bn}.running_mean": torch.randn(out_channels) * 0.2,
        f"{bn}.running_var": torch.rand(out_channels) + 0.5,
        f"{bn}.num_batches_tracked": torch.tensor(7),
    }


def resnet50_tensors() -> Tensors:
    torch.manual_seed(0)
    tensors = conv_bn("conv1", "bn1", 3, 64, 7) | {"fc.weight": torch.randn(1000, 2048), "fc.bias": torch.randn(1000)}
    channels = 64
    for layer, (depth, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), start=1):
        for block in range(depth):
            name = f"layer{layer}.{block}"
            tensors |= conv_bn(f"{name}.conv1", f"{name}.bn1", channels, width, 1)
            tensors |= conv_bn(f"{name}.conv2", f"{name}.bn2", width, width, 3)
            tensors |= conv_bn(f"{name}.conv3", f"{name}.bn3", width, 4 * width, 1)
            if block == 0:
                tensors |= conv_bn(f"{name}.downsample.0", f"{name}.downsample.1", channels, 4 * width, 1)
            channels = 4 * width
    return tensors


class Reference:
    """Reads its tensors by torchvision's names at every step."""

    def __init__(self, tensors: Tensors) -> None:
        self.t = {name: tensor.double() for name, tensor in tensors.items()}

    def conv_bn(self, x: Tensor, conv: str, bn: str, stride: int = 1) -> Tensor:
        weight = self.t[f"{conv}.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        return F.batch_norm(x, *(self.t[f"{bn}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")))

    def __call__(self, x: Tensor) -> Iterator[Tensor]:
        x = F.max_pool2d(torch.relu(self.conv_bn(x, "conv1", "bn1", stride=2)), 3, 2, 1)
        for layer, depth in enumerate((3, 4, 6, 3), start=1):
            for block in range(depth):
                name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
                y = torch.relu(self.conv_bn(x, f"{name}.conv1", f"{name}.bn1"))
                y = torch.relu(self.conv_bn(y, f"{name}.conv2", f"{name}.bn2", stride))
                y = self.conv_bn(y, f"{name}.conv3", f"{name}.bn3")
                if block == 0:
                    x = self.conv_bn(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
                x = torch.relu(x + y)
            yield x


def test_resnet50_loads_as_a_backbone(tmp_path: Path) -> None:
    tensors = resnet50_tensors()
    torch.save(tensors, tmp_path / "resnet50.pth")
    model = build_model("bisenetformer-r50", 19).eval()
    assert initialize(model, tmp_path / "resnet50.pth", LABELS).startswith("backbone from")
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        found, expected = model.backbone.double()(images), Reference(tensors)(images)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_a_backbone_of_another_model_is_rejected(tmp_path: Path) -> None:
    torch.save(resnet50_tensors(), tmp_path / "resnet50.pth")
    with pytest.raises(ModelError, match=r"resnet50.pth: tensors do not fit the network: missing stages.0.0"):
        initialize(build_model("bisenetformer-stdc1", 19), tmp_path / "resnet50.pth", LABELS)


def test_tensors_of_neither_backbone_are_rejected() -> None:
    with pytest.raises(ModelError, match=r"expected an ImageNet STDC .* or ResNet .*, got stem.conv.weight"):
        backbone_tensors({"stem.conv.weight": torch.ones(3)})
