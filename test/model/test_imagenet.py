"""torchvision's ResNet-50: generated tensors under its names, and a network that runs on these directly."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
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


def detectron_names(tensors: Tensors) -> Tensors:
    """As detectron2's script convert-torchvision-to-d2.py renames them."""
    renamed = {}
    for name, tensor in tensors.items():
        name = name if "layer" in name else f"stem.{name}"
        for layer in (1, 2, 3, 4):
            name = name.replace(f"layer{layer}", f"res{layer + 1}")
        for conv in (1, 2, 3):
            name = name.replace(f"bn{conv}", f"conv{conv}.norm")
        renamed[name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")] = tensor
    return renamed


def test_other_files_of_the_same_tensors_give_the_same_backbone(tmp_path: Path) -> None:
    tensors = resnet50_tensors()
    torch.save(tensors, tmp_path / "torchvision.pth")
    save_file(tensors, str(tmp_path / "timm.safetensors"), {"format": "pt"})  # timm has torchvision's names
    save_file({f"module.{name}": tensor for name, tensor in tensors.items()}, str(tmp_path / "ddp.safetensors"))
    arrays = {name: tensor.numpy() for name, tensor in detectron_names(tensors).items()}
    content = {"model": arrays, "__author__": "torchvision", "matching_heuristics": True}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(content))
    expected = None
    for name in ("torchvision.pth", "timm.safetensors", "ddp.safetensors", "R-50.pkl"):
        torch.manual_seed(0)
        model = build_model("bisenetformer-r50", 19)
        assert initialize(model, tmp_path / name, LABELS).startswith("backbone from")
        state = model.state_dict()
        expected = expected or state
        assert all(torch.equal(state[key], tensor) for key, tensor in expected.items() if "num_batches" not in key)


def test_a_deeper_backbone_gives_what_fits_if_asked_for(tmp_path: Path) -> None:
    tensors = resnet50_tensors()
    deeper = tensors | {name.replace("layer3.5", "layer3.6"): t for name, t in tensors.items() if "layer3.5" in name}
    torch.save(deeper, tmp_path / "deeper.pth")
    model = build_model("bisenetformer-r50", 19)
    message = initialize(model, tmp_path / "deeper.pth", LABELS, strict=False)
    assert message.splitlines()[1:] == ["    stages  15  stages.2.6.reduce.conv.weight: not in the network"]
    assert torch.equal(model.backbone.stages[2][5].expand[0].weight, tensors["layer3.5.conv3.weight"])


def test_a_backbone_of_another_model_is_rejected(tmp_path: Path) -> None:
    torch.save(resnet50_tensors(), tmp_path / "resnet50.pth")
    with pytest.raises(ModelError, match=r"resnet50.pth: tensors do not fit the network: missing stages.0.0"):
        initialize(build_model("bisenetformer-stdc1", 19), tmp_path / "resnet50.pth", LABELS)


def test_tensors_of_neither_backbone_are_rejected() -> None:
    with pytest.raises(ModelError, match=r"expected an ImageNet STDC .* or ResNet .*, got stem.conv.weight"):
        backbone_tensors({"stem.conv.weight": torch.ones(3)})
