"""`bisenetformer models` and `download`, and names in other commands."""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from authors_tensors import Variant, authors_tensors
from file_server import FileServer, file_server
from printed_commands import check, commands_in

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.resources import catalog, share_dir

S, M = "bisenetformer-s-ade", "bisenetformer-m-ade"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BISENETFORMER_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(scope="module")
def checkpoint() -> bytes:
    stream = io.BytesIO()
    torch.save(authors_tensors(Variant("", (2, 2, 2), 16, 2, 16)), stream)
    return stream.getvalue()


@pytest.fixture
def server(checkpoint: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serves the file of S in place of the catalogue's hosts, which have no other one."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with file_server() as running:
        entries = {
            name: entry and replace(entry, url=entry.url and running.url(f"/{name}.pth"))
            for name, entry in catalog().items()
        }
        running.files = {f"/{name}.pth": checkpoint if name == S else None for name in entries}
        for module in ("cli.download", "cli.models"):
            monkeypatch.setattr(f"bisenetformer_ros.{module}.catalog", lambda: entries)
        yield running


def read(path: Path) -> dict[str, dict[str, object]]:
    return {model["name"]: model for model in json.loads(path.read_text(encoding="utf-8"))}


def test_models_lists_what_is_here_and_what_can_be_downloaded(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--json", str(tmp_path / "models.json")]) == 0
    shown, listed = capsys.readouterr().out, read(tmp_path / "models.json")
    assert all(name in shown for name in listed)
    assert re.search(r"bisenetformer-nano-camvid .* shipped .*\n.* 5\.9 MB ", shown)
    shipped = listed["bisenetformer-nano-camvid"]
    assert shipped["path"] == str(share_dir() / "config" / "models" / "bisenetformer-nano-camvid.safetensors")
    assert (listed[M]["path"], listed[M]["sha256"], listed[M]["task"], listed[M]["num_classes"]) == (
        None,
        None,
        "semantic",
        150,
    )
    assert listed[M]["url"] == "https://public.focoos.ai/pretrained_models/bisenetformer-m-ade/model_final.pth"
    assert not folder.exists()


def test_a_downloaded_model_is_listed_and_taken_by_name(
    server: FileServer, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", S, "--json", str(tmp_path / "downloaded.json")]) == 0
    assert f"{S}: {folder / S}.safetensors\n" in capsys.readouterr().out
    assert main(["models", "--json", str(tmp_path / "models.json")]) == 0
    assert re.search(rf"{S} .* downloaded ", capsys.readouterr().out)
    assert read(tmp_path / "downloaded.json")[S] == read(tmp_path / "models.json")[S]
    assert main(["convert", S, str(tmp_path / "half.safetensors"), "--precision", "fp16"]) == 0
    assert f"wrote {S} to" in capsys.readouterr().out

    assert main(["download", S]) == 0
    assert "was there already" in capsys.readouterr().out
    assert len(server.asked) == 1


def test_a_network_from_an_address_is_named_like_its_file(
    server: FileServer, checkpoint: bytes, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, digest = server.url("/warehouse.pth"), hashlib.sha256(checkpoint).hexdigest()
    server.files["/warehouse.pth"] = checkpoint
    assert main(["download", url, "--sha256", "0" * 64]) == 1
    assert "--sha256" in capsys.readouterr().err
    assert main(["download", url, "--sha256", digest, "--json", str(tmp_path / "downloaded.json")]) == 0
    assert f"warehouse: {folder / 'warehouse.safetensors'}\n" in capsys.readouterr().out
    assert main(["models", "--json", str(tmp_path / "models.json")]) == 0
    assert re.search(r"warehouse .* downloaded ", capsys.readouterr().out)
    listed = read(tmp_path / "models.json")["warehouse"]
    assert (listed["url"], listed["sha256"], listed["task"], listed["num_classes"]) == (url, digest, "semantic", 150)
    assert read(tmp_path / "downloaded.json")["warehouse"] == listed
    assert main(["convert", "warehouse", str(tmp_path / "half.safetensors"), "--precision", "fp16"]) == 0

    asked = len(server.asked)
    assert main(["download", url, "--sha256", digest]) == 0
    assert "was there already" in capsys.readouterr().out
    for arguments in ([url, "--sha256", "0" * 64], [server.url("/other/warehouse.pth")]):
        assert main(["download", *arguments]) == 1
        assert "delete it" in capsys.readouterr().err
    assert len(server.asked) == asked


def test_all_downloads_what_comes_and_names_what_does_not(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", "--all", "--json", str(tmp_path / "downloaded.json")]) == 1
    assert list(read(tmp_path / "downloaded.json")) == [S]
    failed = capsys.readouterr().err
    for name, entry in catalog().items():
        assert (f"error: {name}: {server.url(f'/{name}.pth')}: expected the file, got the answer 404" in failed) == (
            entry.url is not None and name != S
        )


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment", "street.png", "--out", "out", "--model", M],
        ["export", M, "m.onnx", "--size", "480x640"],
        ["convert", M, "m.safetensors"],
        ["benchmark", "--model", M],
        ["demo", "--model", M],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_known_name_is_not_downloaded_unasked(
    arguments: list[str],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("street.png", np.zeros((8, 8, 3), np.uint8))
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert f"model '{M}' has not been downloaded" in message
    (command,) = [words for words in commands_in(message) if words[:2] == ["bisenetformer", "download"]]
    check(command)
    assert command[2:] == [M]
    assert not folder.exists()


def test_a_recipe_may_name_a_backbone_to_download(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = {"base": "camvid-nano", "name": "own", "initial_weights": "stdc-nano-imagenet", "validation": None}
    source = {"kind": "synthetic", "num_drives": 1, "frames_per_drive": 1}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**recipe, "sources": [source]}), encoding="utf-8")
    arguments = ["--config", str(tmp_path / "own.yaml"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert main(["train", *arguments]) == 2
    assert "model 'stdc-nano-imagenet' has not been downloaded" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected names of models, addresses, or --all"),
        (["--all", M], "expected names of models, addresses, or --all"),
        ([M, "--sha256", "00"], "--sha256 belongs to one address"),
        (["https://example.org/"], "https://example.org/: expected the address of a file"),
        ([f"https://example.org/{M}.pth"], f"{M} is a name of the catalogue: rename the file"),
        (
            ["bisenetformer-xl-ade"],
            "no model to download: bisenetformer-xl-ade; expected names out of bisenetformer-s-",
        ),
        (["bisenetformer-nano-camvid"], "no model to download: bisenetformer-nano-camvid"),
    ],
)
def test_misuse_is_reported(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", *arguments]) == 2
    assert message in capsys.readouterr().err
