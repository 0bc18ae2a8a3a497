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
    words = r"tensors do not fit.*query_feat.weight \(\[9, 32\], expected \[50, 32\]\).*set strict: false"
    with pytest.raises(ModelError, match=words):
        initialize(build_model("bisenetformer-nano", 5, **{**SMALL, "num_queries": 50}), trained, LabelMap.anonymous(5))


@pytest.mark.parametrize(
    ("change", "skipped"),
    [
        ({"num_queries": 50}, {"decoder.query_feat": 1, "decoder.query_embed": 1}),
        ({"num_blocks": 2}, {f"decoder.blocks.{block}": 26 for block in range(2, 6)}),
        ({"num_blocks": 7}, {"decoder.blocks.6": 26}),
        ({"num_levels": 3}, {"decoder.level_projections.2": 2}),
        ({"feedforward_dim": 64}, {f"decoder.blocks.{block}": 3 for block in range(6)}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_what_fits_another_structure_is_taken_if_asked_for(
    trained: Path, random_model: Callable[..., BiSeNetFormer], change: dict[str, int], skipped: dict[str, int]
) -> None:
    model = build_model("bisenetformer-nano", 5, **{**SMALL, **change})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    message = initialize(model, trained, LabelMap.anonymous(5), strict=False)
    assert message.startswith(f"the weights that fit from {trained}; skipped")
    rows = [line.split() for line in message.splitlines()[1:]]
    assert {part: int(count) for part, count, *_ in rows} == skipped
    theirs = random_model().state_dict()
    for name, tensor in model.state_dict().items():
        fits = not name.startswith(tuple(skipped)) or (name in theirs and theirs[name].shape == tensor.shape)
        assert torch.equal(tensor, theirs[name] if fits and "num_batches" not in name else before[name]), name


def test_the_table_names_shapes_and_other_classes(trained: Path) -> None:
    model = build_model("bisenetformer-nano", 19, **{**SMALL, "num_queries": 50})
    message = initialize(model, trained, LabelMap.load("cityscapes19"), strict=False)
    assert "except the class head, which is random: the file has the 5 classes" in message
    assert "decoder.query_feat.weight: [9, 32], the network has [50, 32], random" in message
    assert CLASS_HEAD not in message


def test_a_network_of_which_nothing_fits_is_rejected(trained: Path, tmp_path: Path) -> None:
    torch.save({"layer1.0.conv1.weight": torch.ones(1)}, tmp_path / "odd.pth")
    with pytest.raises(ModelError, match=r"odd.pth: no tensor fits the network"):
        initialize(build_model("bisenetformer-nano", 5, **SMALL), tmp_path / "odd.pth", LabelMap.anonymous(5), False)


def test_without_misfits_forgiving_is_exact(trained: Path, random_model: Callable[..., BiSeNetFormer]) -> None:
    model = build_model("bisenetformer-nano", 5, **SMALL)
    assert initialize(model, trained, LabelMap.anonymous(5), strict=False) == f"all weights from {trained}"
    assert differing(model, random_model()) == set()


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
