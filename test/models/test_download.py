"""Downloaded checkpoints become weights files that work by name."""

import hashlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from authors_tensors import Variant, authors_tensors, imagenet_tensors
from file_server import FileServer

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model import build_model, load_model
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.model.initialization import initialize
from bisenetformer_ros.model_catalog import CatalogEntry
from bisenetformer_ros.models.download import download
from bisenetformer_ros.resources import catalog, find_model

LABELS = LabelMap.load("camvid11")
NAME = "bisenetformer-s-ade"


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def checkpoint() -> bytes:
    """The authors' layout, with a narrow decoder."""
    return saved({"model": authors_tensors(Variant("", (2, 2, 2), 16, 2, 16)), "iteration": 3})


@pytest.fixture(scope="module")
def backbone() -> bytes:
    return saved(imagenet_tensors((2, 2, 2)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BISENETFORMER_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def get(entry: CatalogEntry) -> Path:
    return download(entry, lambda done, total: None)


def entry_of(name: str, server: FileServer, **changes: Any) -> CatalogEntry:
    return replace(catalog()[name], url=server.url(), **changes)


def test_a_checkpoint_of_the_authors_works_by_name(
    server: FileServer, checkpoint: bytes, folder: Path, tmp_path: Path
) -> None:
    server.content = checkpoint
    path = get(entry_of(NAME, server))
    assert path == find_model(NAME) == folder / f"{NAME}.safetensors"
    model, metadata = load_checkpoint(NAME)
    assert (metadata.name, metadata.task, metadata.labels.name, metadata.input_size) == (
        NAME,
        "semantic",
        "ade20k150",
        640,
    )
    assert metadata.provenance["source"] == server.url()
    (tmp_path / "published.pth").write_bytes(checkpoint)
    expected = load_model(tmp_path / "published.pth").state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_the_record_holds_the_hash_of_the_published_file(server: FileServer, checkpoint: bytes, folder: Path) -> None:
    server.content = checkpoint
    path = get(entry_of(NAME, server))
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) == {
        "url": server.url(),
        "sha256": hashlib.sha256(checkpoint).hexdigest(),
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert sorted(os.listdir(folder)) == [f"{NAME}.json", f"{NAME}.safetensors"]


def test_later_downloads_are_compared_with_the_first(server: FileServer, checkpoint: bytes, folder: Path) -> None:
    server.content = checkpoint
    entry = entry_of(NAME, server)
    first = load_model(get(entry)).state_dict()
    (folder / f"{NAME}.safetensors").unlink()
    again = load_model(get(entry)).state_dict()
    assert all(torch.equal(tensor, first[name]) for name, tensor in again.items())

    (folder / f"{NAME}.safetensors").unlink()
    server.content = checkpoint + b" "
    expected = rf"expected {hashlib.sha256(checkpoint).hexdigest()} .*if you trust the new, delete .*{NAME}\.json"
    with pytest.raises(ModelError, match=expected):
        get(entry)
    assert os.listdir(folder) == [f"{NAME}.json"]


def test_the_hash_of_the_catalogue_counts(server: FileServer, checkpoint: bytes, folder: Path) -> None:
    server.content = checkpoint
    with pytest.raises(ModelError, match=f"expected {'1' * 64} but got .* update this package"):
        get(entry_of(NAME, server, sha256="1" * 64))
    assert os.listdir(folder) == []
    assert get(entry_of(NAME, server, sha256=hashlib.sha256(checkpoint).hexdigest())).is_file()


def test_weights_that_cannot_be_written_need_no_second_download(
    server: FileServer, checkpoint: bytes, folder: Path
) -> None:
    server.content = checkpoint
    (folder / f"{NAME}.safetensors").mkdir(parents=True)
    with pytest.raises(ModelError, match=rf"{NAME}\.safetensors cannot be written: Is a directory"):
        get(entry_of(NAME, server))
    (folder / f"{NAME}.safetensors").rmdir()
    assert get(entry_of(NAME, server)) == find_model(NAME)
    assert len(server.asked) == 1


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def test_a_checkpoint_with_code_is_refused_and_deleted(server: FileServer, folder: Path, tmp_path: Path) -> None:
    server.content = saved({"model": Code(tmp_path / "trace")})
    with pytest.raises(ModelError, match=r"could run code \(it requires posix.mkdir\); the file was deleted"):
        get(entry_of(NAME, server))
    assert not (tmp_path / "trace").exists()
    assert os.listdir(folder) == []


def test_a_page_in_place_of_the_file_is_deleted(server: FileServer, folder: Path) -> None:
    server.content = b"<html>Sign in to this network</html>"
    with pytest.raises(ModelError, match=r"expected a PyTorch checkpoint .*; the file was deleted"):
        get(entry_of(NAME, server))
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bisenetformer-l-ade", "bisenetformer-stdc2 with 150 classes, semantic"),
        ("bisenetformer-nano-camvid", "bisenetformer-nano with 11 classes, panoptic"),
    ],
)
def test_another_network_than_the_catalogues_is_deleted(
    name: str, expected: str, server: FileServer, checkpoint: bytes, folder: Path
) -> None:
    server.content = checkpoint
    found = "bisenetformer-stdc1 with 150 classes, semantic"
    with pytest.raises(ModelError, match=f"expected {expected}, got {found}; the file was deleted"):
        get(entry_of(name, server, limit_mb=100, sha256=None))
    assert os.listdir(folder) == []


def test_a_backbone_initializes_a_training_by_name(
    server: FileServer, backbone: bytes, folder: Path, tmp_path: Path
) -> None:
    server.content = backbone
    get(entry_of("stdc1-imagenet", server))
    (tmp_path / "published.pth").write_bytes(backbone)
    models = []
    for weights in ("stdc1-imagenet", tmp_path / "published.pth"):
        torch.manual_seed(0)
        models.append(build_model("bisenetformer-stdc1", num_classes=len(LABELS)))
        assert initialize(models[-1], weights, LABELS).startswith("backbone from ")
    states = [model.state_dict() for model in models]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    with pytest.raises(ModelError, match="ImageNet backbone, which can initialize a training but cannot segment"):
        load_model("stdc1-imagenet")


def test_a_backbone_of_another_depth_is_deleted(server: FileServer, backbone: bytes, folder: Path) -> None:
    server.content = backbone
    with pytest.raises(ModelError, match=r"tensors do not fit the network: missing .*; the file was deleted"):
        get(entry_of("stdc2-imagenet", server))
    assert os.listdir(folder) == []


def test_weights_that_were_changed_are_not_loaded(server: FileServer, checkpoint: bytes, folder: Path) -> None:
    server.content = checkpoint
    path = get(entry_of(NAME, server))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{NAME}\.safetensors: expected the SHA-256 recorded in .*download {NAME}"):
        load_model(NAME)
