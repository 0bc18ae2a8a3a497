"""Initial weights of a training."""

import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from torch import Tensor, nn

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.checkpoint import (
    Misfit,
    load_checkpoint,
    load_fitting,
    load_tensors,
    naming,
    read_tensors,
)
from bisenetformer_ros.model.imagenet import backbone_tensors, is_backbone_checkpoint
from bisenetformer_ros.resources import find_model

CLASS_HEAD = "decoder.head.classes."


def initialize(model: BiSeNetFormer, path: str | Path, labels: LabelMap, strict: bool = True) -> str:
    """Load initial weights from a whole network or an ImageNet backbone.

    Args:
        model: The network to fill.
        path: A whole network (our .safetensors or an authors' .pth), whose class head is skipped if its classes differ
            from `labels`; or a backbone: an STDC as its authors publish it, or a ResNet-50 of torchvision, timm or
            detectron2.
        labels: Classes to train.
        strict: Whether all other tensors must fit; if not, those that do not are skipped.

    Returns:
        A message about what was loaded and what was skipped.

    Raises:
        ModelError: The file is neither, or has another structure; if not strict, nothing fits.
    """
    path = find_model(path)
    tensors = read_tensors(path)
    if is_backbone_checkpoint(tensors):
        with naming(path):
            tensors = backbone_tensors(tensors)
        skipped = _load(model.backbone, tensors, path, strict)
        return f"backbone from {path}; all other weights are random{skipped}"
    trained, metadata = load_checkpoint(path)
    tensors = trained.state_dict()
    known, wanted = ([label.name for label in of.labels] for of in (metadata.labels, labels))
    head = ""
    if known != wanted:
        tensors = {**tensors, **_class_head(model)}
        head = (
            f" except the class head, which is random: the file has the {len(known)} classes of "
            f"{metadata.labels.name}, the training has the {len(wanted)} of {labels.name}"
        )
    skipped = _load(model, tensors, path, strict)
    return f"{'the weights that fit' if skipped else 'all weights'} from {path}{head}{skipped}"


def _class_head(model: BiSeNetFormer) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if name.startswith(CLASS_HEAD)}


def _load(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, strict: bool) -> str:
    """Load the tensors; return a table of those that were skipped, or an empty text."""
    if not strict:
        return _table(load_fitting(module, tensors, path))
    try:
        load_tensors(module, tensors, path)
    except ModelError as error:
        raise ModelError(f"{error}; to skip them, set strict: false in the recipe") from None
    return ""


def _table(misfits: list[Misfit]) -> str:
    """One line per part of the network, with the first of its tensors."""
    parts = [list(group) for _, group in groupby(misfits, lambda misfit: _part(misfit.name))]
    rows = [(_part(part[0].name), str(len(part)), _describe(part[0])) for part in parts]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    lines = [f"\n    {part:{widths[0]}}  {count:>{widths[1]}}  {first}" for part, count, first in rows]
    return "; skipped, by part, with the number of tensors and the first one:" + "".join(lines) if rows else ""


def _part(name: str) -> str:
    """decoder.blocks.3.cross_norm.weight → decoder.blocks.3, decoder.head.norm.bias → decoder.head, stem.0… → stem."""
    match = re.match(r"decoder\.\w+(\.\d+)?|\w+", name)
    return match[0] if match else name


def _describe(misfit: Misfit) -> str:
    if misfit.in_file is None:
        return f"{misfit.name}: not in the file, random"
    if misfit.in_module is None:
        return f"{misfit.name}: not in the network"
    return f"{misfit.name}: {list(misfit.in_file)}, the network has {list(misfit.in_module)}, random"
