"""The weights that a training begins with."""

from pathlib import Path

from torch import Tensor

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.checkpoint import load_checkpoint, load_tensors, naming, read_pth
from bisenetformer_ros.model.imagenet import backbone_tensors, is_backbone_checkpoint

CLASS_HEAD = "decoder.head.classes."


def initialize(model: BiSeNetFormer, path: str | Path, labels: LabelMap) -> str:
    """Puts the weights of a file into `model`, which is to know the classes of `labels`; returns what was taken.

    The file is a whole network (our .safetensors or an authors' .pth), whose class head is left out if it knows other
    classes, or an ImageNet checkpoint of the backbone: an STDC as its authors publish it, or torchvision's ResNet-50.
    Raises ModelError for a file that is neither or of another structure.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ModelError(f"no weights file at {path}")
    if path.suffix != ".safetensors" and is_backbone_checkpoint(tensors := read_pth(path)):
        with naming(path):
            tensors = backbone_tensors(tensors)
        load_tensors(model.backbone, tensors, path)
        return f"backbone from {path}, the rest is random"
    trained, metadata = load_checkpoint(path)
    known, wanted = ([label.name for label in of.labels] for of in (metadata.labels, labels))
    if known == wanted:
        load_tensors(model, trained.state_dict(), path)
        return f"all weights from {path}"
    load_tensors(model, {**trained.state_dict(), **_class_head(model)}, path)
    return (
        f"all weights from {path} but those of the class head, which are random: the file knows the {len(known)} "
        f"classes of {metadata.labels.name}, wanted are the {len(wanted)} of {labels.name}"
    )


def _class_head(model: BiSeNetFormer) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith(CLASS_HEAD)}
