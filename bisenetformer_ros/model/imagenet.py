"""ImageNet checkpoints of the backbones, as their authors and torchvision publish them, translated to our names."""

import re

from torch import Tensor

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.model.authors import rename_stdc, stdc_depths

_STDC = "features."
_RESNET = "layer1.0."
_STDC_CLASSIFIER = re.compile(r"(conv_last|fc|bn|linear|dropout|relu|gap|x2|x4|x8|x16|x32)\b")
"""Beside the classifier, the checkpoints hold the features a second time, as x2 to x32."""

# torchvision's name → ours; the first pattern that matches counts.
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


def is_backbone_checkpoint(tensors: dict[str, Tensor]) -> bool:
    return any(name.startswith((_STDC, _RESNET)) for name in tensors)


def backbone_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of an ImageNet STDC or ResNet under the names of our backbone, without the classifier's.

    Raises ModelError for an STDC of a depth that the paper does not have. A name that is not understood is kept as it
    is, so that loading reports it.
    """
    if any(name.startswith(_STDC) for name in tensors):
        kept = {name: tensor for name, tensor in tensors.items() if not _STDC_CLASSIFIER.match(name)}
        depths = stdc_depths(kept, "")
        return {rename_stdc(name, depths): tensor for name, tensor in kept.items()}
    if not is_backbone_checkpoint(tensors):
        raise ModelError(
            "expected an ImageNet STDC ('features.N.…') or ResNet ('layer1.0.…') checkpoint, got "
            f"{', '.join(list(tensors)[:5])}"
        )
    return {_rename_resnet(name): tensor for name, tensor in tensors.items() if not name.startswith("fc.")}


def _rename_resnet(name: str) -> str:
    for pattern, replacement in _RESNET_RENAMING:
        renamed, count = re.subn("^" + pattern, replacement, name)
        if count:
            return re.sub(r"^stages\.(\d)", lambda match: f"stages.{int(match[1]) - 1}", renamed)
    return name
