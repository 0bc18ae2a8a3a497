from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model import build_model
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.checkpoint import save_model
from bisenetformer_ros.model.initialization import CLASS_HEAD, initialize

SMALL = {"channels": 16, "dim": 32, "num_heads": 4, "feedforward_dim": 48, "num_queries": 9}


@pytest.fixture
def trained(random_model: Callable[..., BiSeNetFormer], tmp_path: Path) -> Path:
    """A network that knows five classes."""
    architecture = {"name": "bisenetformer-nano", **SMALL, "num_classes": 5}
    path = tmp_path / "trained.safetensors"
    save_model(path, random_model(), ModelMetadata("trained", architecture, LabelMap.anonymous(5)))
    return path


def differing(model: BiSeNetFormer, other: BiSeNetFormer) -> set[str]:
    theirs = other.state_dict()
    pairs = {name: (tensor, theirs[name]) for name, tensor in model.state_dict().items() if "num_batches" not in name}
    return {name for name, (ours, their) in pairs.items() if ours.shape != their.shape or not torch.equal(ours, their)}


def test_equal_classes_load_all_weights(trained: Path, random_model: Callable[..., BiSeNetFormer]) -> None:
    model = build_model("bisenetformer-nano", 5, **SMALL)
    assert initialize(model, trained, LabelMap.anonymous(5)) == f"all weights from {trained}"
    assert differing(model, random_model()) == set()


@pytest.mark.parametrize("num_classes", [5, 19])
def test_other_classes_load_all_but_the_class_head(
    trained: Path, random_model: Callable[..., BiSeNetFormer], num_classes: int
) -> None:
    """Equally many classes with other names count as other classes."""
    labels = LabelMap.load("cityscapes19")
    labels = type(labels)(labels.name, labels.labels[:num_classes])
    model = build_model("bisenetformer-nano", num_classes, **SMALL)
    head = {name: tensor.clone() for name, tensor in model.state_dict().items() if name.startswith(CLASS_HEAD)}
    message = initialize(model, trained, labels)
    assert f"the file has the 5 classes of {LabelMap.anonymous(5).name}, the training has the {num_classes}" in message
    assert differing(model, random_model()) == set(head) == {f"{CLASS_HEAD}weight", f"{CLASS_HEAD}bias"}
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in head.items())


def test_another_structure_is_rejected(trained: Path) -> None:
    with pytest.raises(ModelError, match=r"tensors do not fit.*query_feat.weight \(\[9, 32\], expected \[50, 32\]\)"):
        initialize(build_model("bisenetformer-nano", 5, **{**SMALL, "num_queries": 50}), trained, LabelMap.anonymous(5))


def test_files_without_weights_are_rejected(tmp_path: Path) -> None:
    model = build_model("bisenetformer-nano", 5, **SMALL)
    with pytest.raises(ModelError, match="is neither a file nor one of the shipped models"):
        initialize(model, tmp_path / "missing.safetensors", LabelMap.anonymous(5))
    torch.save({"a": torch.ones(3)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"expected our \.safetensors or the checkpoint of a whole network"):
        initialize(model, tmp_path / "other.pth", LabelMap.anonymous(5))
    save_file({"a": torch.ones(3)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(ModelError, match="not written by this package"):
        initialize(model, tmp_path / "other.safetensors", LabelMap.anonymous(5))
