import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model import build_model, load_model
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.checkpoint import (
    load_checkpoint,
    read_metadata,
    save_model,
    trained_task,
    weights_precision,
)

ModelFactory = Callable[..., BiSeNetFormer]
ARCHITECTURE = {
    "name": "bisenetformer-nano",
    "num_classes": 5,
    "channels": 16,
    "dim": 32,
    "num_heads": 4,
    "feedforward_dim": 48,
    "num_queries": 9,
}


def metadata_of(**changes: Any) -> ModelMetadata:
    values = {"name": "yard", "architecture": ARCHITECTURE, "labels": LabelMap.anonymous(5)}
    return ModelMetadata(**{**values, **changes})


@pytest.fixture
def saved(random_model: ModelFactory, tmp_path: Path) -> Path:
    path = tmp_path / "yard.safetensors"
    save_model(path, random_model(), metadata_of())
    return path


def test_weights_round_trip_exactly(random_model: ModelFactory, saved: Path) -> None:
    model = load_model(saved)
    assert not model.training
    images = torch.rand(1, 3, 64, 96) * 255
    with torch.no_grad():
        for loaded, original in zip(model(images), random_model()(images), strict=True):
            assert torch.equal(loaded, original)


def test_other_users_can_read_the_weights_if_the_umask_permits(random_model: ModelFactory, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        save_model(tmp_path / "yard.safetensors", random_model(), metadata_of())
    finally:
        os.umask(before)
    assert (tmp_path / "yard.safetensors").stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["yard.safetensors"]


def test_half_precision_rounds_only_parameters(random_model: ModelFactory, tmp_path: Path) -> None:
    original = random_model()
    # Statistics of a real network can leave the range of half precision.
    original.backbone.stem[0].bn.running_var[:2] = torch.tensor([1e-9, 1e6])
    save_model(tmp_path / "half.safetensors", original, metadata_of(), torch.float16)
    loaded = load_model(tmp_path / "half.safetensors").state_dict()
    parameters = dict(original.named_parameters())
    for name, tensor in original.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            expected = tensor.half().float() if name in parameters else tensor
            assert torch.equal(loaded[name], expected), name
    stored = {tensor.dtype for name, tensor in load_file(tmp_path / "half.safetensors").items() if name in parameters}
    assert stored == {torch.float16}
    assert weights_precision(tmp_path / "half.safetensors") == "fp16"


def test_metadata_round_trip(random_model: ModelFactory, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_model(**ARCHITECTURE, pixel_mean=(1.0, 2.0, 3.5), pixel_std=(4.0, 5.0, 6.0))
    metadata = metadata_of(
        input_size=(360, 480),
        pixel_mean=(1.0, 2.0, 3.5),
        pixel_std=(4.0, 5.0, 6.0),
        provenance={"data": "yard", "miou": 61.5},
        task="semantic",
    )
    save_model(tmp_path / "a.safetensors", model, metadata)
    loaded, again = load_checkpoint(tmp_path / "a.safetensors")
    assert again == metadata == read_metadata(tmp_path / "a.safetensors")
    assert loaded.pixel_mean.flatten().tolist() == [1.0, 2.0, 3.5]
    assert loaded.pixel_std.flatten().tolist() == [4.0, 5.0, 6.0]


def test_normalization_must_match_the_metadata(random_model: ModelFactory, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pixel_std"):
        save_model(tmp_path / "a.safetensors", random_model(), metadata_of(pixel_std=(1.0, 1.0, 1.0)))
    assert not (tmp_path / "a.safetensors").exists()


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> None:
    """Changes tensors and header of a safetensors file in place."""
    tensors = load_file(path)
    with safe_open(str(path), framework="pt") as file:
        header = dict(file.metadata())
    change(tensors, header)
    save_file(tensors, str(path), header)


def test_unfitting_tensors_are_listed(saved: Path) -> None:
    def change(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        for index in range(6):
            del tensors[f"decoder.blocks.{index}.cross_norm.weight"]
        tensors["decoder.level_embed"] = torch.ones(2)
        tensors["decoder.query_feat.weight"] = torch.ones(8, 32)

    rewrite(saved, change)
    with pytest.raises(ModelError) as caught:
        load_model(saved)
    message = str(caught.value)
    assert str(saved) in message
    assert "missing decoder.blocks.0.cross_norm.weight, " in message
    assert "and 1 more;" in message
    assert "unknown decoder.level_embed;" in message
    assert "decoder.query_feat.weight ([8, 32], expected [9, 32])" in message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("architecture", None, "lacks architecture"),
        ("labels", None, "lacks labels"),
        ("format", "2", "format 2, this version reads format 1"),
        ("architecture", "{", "header is corrupt"),
        ("labels", '{"labels": 3}', "header is corrupt"),
        ("architecture", "[]", "does not describe a network"),
        ("architecture", '{"name": "bisenetformer-giant", "num_classes": 5}', "unknown model 'bisenetformer-giant'"),
        ("architecture", '{"name": "bisenetformer-nano"}', "num_classes"),
        ("task", "depth", "task is 'depth', expected one of semantic, panoptic"),
        ("pixel_mean", "[1.0]", "does not describe a network"),
    ],
)
def test_invalid_headers_are_an_error(saved: Path, key: str, value: str | None, message: str) -> None:
    def change(_: dict[str, torch.Tensor], header: dict[str, str]) -> None:
        del header[key]
        if value is not None:
            header[key] = value

    rewrite(saved, change)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(saved)
    assert str(saved) in str(caught.value)


def test_the_task_is_read_without_the_weights(random_model: ModelFactory, tmp_path: Path) -> None:
    for task in ("semantic", "panoptic"):
        save_model(tmp_path / "a.safetensors", random_model(), metadata_of(task=task))
        with safe_open(str(tmp_path / "a.safetensors"), framework="pt") as file:
            assert file.metadata()["task"] == task
        assert trained_task(tmp_path / "a.safetensors") == task


def test_a_file_without_a_task_is_panoptic(saved: Path) -> None:
    """Older versions of this package wrote such files."""

    def change(_: dict[str, torch.Tensor], header: dict[str, str]) -> None:
        del header["task"]

    rewrite(saved, change)
    assert load_checkpoint(saved)[1].task == trained_task(saved) == "panoptic"


def test_foreign_safetensors_are_an_error(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(3)}, str(tmp_path / "other.safetensors"))
    with pytest.raises(ModelError, match="not written by this package"):
        load_model(tmp_path / "other.safetensors")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 0.999])
def test_truncated_safetensors_are_an_error(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="corrupt, or not a safetensors file") as caught:
        load_model(saved)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_pickles_are_an_error(tmp_path: Path, share: float, zipped: bool) -> None:
    path = tmp_path / "model_final.pth"
    torch.save({"head.predictor.a": torch.ones(100)}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match="corrupt") as caught:
        load_model(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"name: yard\n", b"\x00" * 64, bytes(range(256))])
def test_files_of_another_kind_are_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model_final.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"expected a PyTorch checkpoint .* of another kind"):
        load_model(path)


class Payload:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, zipped: bool) -> None:
    path, trace = tmp_path / "model_final.pth", tmp_path / "trace"
    torch.save({"head.predictor.a": Payload(trace)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="could run code"):
        load_model(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)["head.predictor.a"].close()
    assert trace.exists()  # the payload is a live one


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "expected a mapping of names to tensors, got int"),
        ({}, "expected a mapping"),
        ({"layer1.weight": torch.ones(2)}, "got tensors such as layer1.weight"),
        ({"iteration": 3, "trained": {"model.a": torch.ones(2)}}, "no tensors; the weights of a training run are"),
    ],
)
def test_checkpoints_without_a_network_are_an_error(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    with pytest.raises(ModelError, match=message):
        load_model(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    for name in ("none.safetensors", "none.pth", ""):
        with pytest.raises(ModelError, match="is neither a file nor one of the shipped models"):
            load_model(tmp_path / name)
