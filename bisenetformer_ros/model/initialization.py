"""Initial weights of a training."""

from pathlib import Path

from torch import Tensor

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.checkpoint import load_checkpoint, load_tensors, naming, read_pth
from bisenetformer_ros.model.imagenet import backbone_tensors, is_backbone_checkpoint
from bisenetformer_ros.resources import find_model

CLASS_HEAD = "decoder.head.classes."


def initialize(model: BiSeNetFormer, path: str | Path, labels: LabelMap) -> str:
    """Load initial weights from a whole network or an ImageNet backbone.

    Args:
        model: The network to fill.
        path: A whole network (our .safetensors or an authors' .pth), whose class head is skipped if its classes differ
            from `labels`; or a backbone: an STDC as its authors publish it, or torchvision's ResNet-50.
        labels: Classes to train.

    Returns:
        A message about what was loaded.

    Raises:
        ModelError: The file is neither, or has another structure.
    """
    path = find_model(path)
    if path.suffix.lower() != ".safetensors" and is_backbone_checkpoint(tensors := read_pth(path)):
        with naming(path):
            tensors = backbone_tensors(tensors)
        load_tensors(model.backbone, tensors, path)
        return f"backbone from {path}; all other weights are random"
    trained, metadata = load_checkpoint(path)
    known, wanted = ([label.name for label in of.labels] for of in (metadata.labels, labels))
    if known == wanted:
        load_tensors(model, trained.state_dict(), path)
        return f"all weights from {path}"
    load_tensors(model, {**trained.state_dict(), **_class_head(model)}, path)
    return (
        f"all weights from {path} except the class head, which is random: the file has the {len(known)} classes of "
        f"{metadata.labels.name}, the training has the {len(wanted)} of {labels.name}"
    )


def _class_head(model: BiSeNetFormer) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith(CLASS_HEAD)}
