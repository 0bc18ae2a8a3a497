"""Translates ImageNet checkpoints of STDC's authors, torchvision, timm and detectron2 to our backbones' names."""

import re

from torch import Tensor

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.model.authors import rename, rename_stdc, stdc_depths

_STDC = "features."
_RESNET = "layer1.0."
"""torchvision and timm, by the same names."""
_DETECTRON = "res2.0."
_OURS = "stages.0."
"""Written by `bisenetformer download`."""
_STDC_CLASSIFIER = re.compile(r"(conv_last|fc|bn|linear|dropout|relu|gap|x2|x4|x8|x16|x32)\b")
"""Classifier layers, and x2 to x32, a second copy of the features."""

# torchvision's name → ours; the first match wins. Its layer numbers count from 1.
_RESNET_RENAMING = [
    (r"conv1\.", r"stem.0.conv."),
    (r"bn1\.", r"stem.0.bn."),
    (r"layer(\d)\.(\d+)\.conv1\.", r"stages.\1.\2.reduce.conv."),
    (r"layer(\d)\.(\d+)\.bn1\.", r"stages.\1.\2.reduce.bn."),
    (r"layer(\d)\.(\d+)\.conv2\.", r"stages.\1.\2.spatial.conv."),
    (r"layer(\d)\.(\d+)\.bn2\.", r"stages.\1.\2.spatial.bn."),
    (r"layer(\d)\.(\d+)\.conv3\.", r"stages.\1.\2.expand.0."),
    (r"layer(\d)\.(\d+)\.bn3\.", r"stages.\1.\2.expand.1."),
    (r"layer(\d)\.(\d+)\.downsample\.", r"stages.\1.\2.shortcut."),
]

# detectron2's name → torchvision's; the layer numbers are torchvision's already.
_DETECTRON_RENAMING = [
    (r"stem\.conv1\.norm\.", r"bn1."),
    (r"stem\.", r""),
    (r"(layer\d\.\d+)\.shortcut\.norm\.", r"\1.downsample.1."),
    (r"(layer\d\.\d+)\.shortcut\.", r"\1.downsample.0."),
    (r"(layer\d\.\d+)\.conv(\d)\.norm\.", r"\1.bn\2."),
]


def is_backbone_checkpoint(tensors: dict[str, Tensor]) -> bool:
    """Return whether the tensors are an ImageNet STDC or ResNet."""
    return any(name.startswith((_STDC, _RESNET, _DETECTRON, _OURS)) for name in tensors)


def backbone_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Translate the tensors of an ImageNet STDC or ResNet to our backbone's names, without the classifier.

    Unknown names stay, so that loading reports them.

    Raises:
        ModelError: The tensors belong to neither, or to an STDC of another depth than the paper's.
    """
    if any(name.startswith(_OURS) for name in tensors):
        return tensors
    if any(name.startswith(_STDC) for name in tensors):
        kept = {name: tensor for name, tensor in tensors.items() if not _STDC_CLASSIFIER.match(name)}
        depths = stdc_depths(kept, "")
        return {rename_stdc(name, depths): tensor for name, tensor in kept.items()}
    if not is_backbone_checkpoint(tensors):
        raise ModelError(
            "expected an ImageNet STDC ('features.N.…') or ResNet ('layer1.0.…' or 'res2.0.…') checkpoint, got "
            f"{', '.join(list(tensors)[:5])}"
        )
    if any(name.startswith(_DETECTRON) for name in tensors):
        tensors = {_rename_detectron(name): tensor for name, tensor in tensors.items()}
    return {_rename_resnet(name): tensor for name, tensor in tensors.items() if not name.startswith("fc.")}


def _rename_resnet(name: str) -> str:
    return re.sub(r"^stages\.(\d)", lambda match: f"stages.{int(match[1]) - 1}", rename(name, _RESNET_RENAMING))


def _rename_detectron(name: str) -> str:
    return rename(re.sub(r"^res(\d)", lambda match: f"layer{int(match[1]) - 1}", name), _DETECTRON_RENAMING)
