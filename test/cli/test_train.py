from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.model.checkpoint import load_checkpoint

DRIVES = {"kind": "synthetic", "first_seed": 20000, "num_drives": 1, "frames_per_drive": 2, "size": [72, 96]}
SMALL = {"channels": 8, "dim": 16, "num_heads": 2, "feedforward_dim": 16, "num_queries": 6, "num_blocks": 2}


def write_recipe(path: Path, **changes: Any) -> Path:
    recipe = {
        "name": "short",
        "architecture": {"name": "bisenetformer-nano", **SMALL},
        "labels": "camvid11",
        "sources": [DRIVES],
        "iterations": 2,
        "batch_size": 2,
        "crop_size": [64, 64],
        "num_points": 32,
        "input_size": 360,
    }
    path.write_text(yaml.safe_dump({**recipe, **changes}), encoding="utf-8")
    return path


def train(recipe: Path, out: Path, *options: str) -> int:
    return main(["train", "--config", str(recipe), "--out", str(out), "--workers", "0", *options])


def test_a_recipe_becomes_a_weights_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out = write_recipe(tmp_path / "short.yaml"), tmp_path / "run"
    assert train(recipe, out) == 0
    model, metadata = load_checkpoint(out / "short.safetensors")
    assert (metadata.name, metadata.labels.name, metadata.input_size) == ("short", "camvid11", 360)
    assert metadata.architecture == {"name": "bisenetformer-nano", **SMALL, "num_classes": 11}
    assert metadata.provenance["iterations"] == 2
    trained = torch.load(out / "checkpoint.pt", weights_only=True)["learner"]["network"]
    rounded = trained["model.decoder.query_feat.weight"].half().float()
    assert torch.equal(model.decoder.query_feat.weight, rounded)

    capsys.readouterr()
    assert train(recipe, out) == 0
    assert "continuing after iteration 2 of 2" in capsys.readouterr().err
    assert len((out / "log.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert train(recipe, out, "--restart") == 0
    assert "continuing" not in capsys.readouterr().err


def test_what_cannot_be_trained_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_recipe(tmp_path / "good.yaml")
    for recipe, options, message in (
        (good, ["--device", "cuda:99"], "device 'cuda:99' was asked for"),
        (write_recipe(tmp_path / "a.yaml", batch_size=1), [], "batch_size is 1"),
        (write_recipe(tmp_path / "b.yaml", labels="ade20k150"), [], "synthetic has the labels camvid11, not ade20k150"),
        (write_recipe(tmp_path / "c.yaml", sources=[{"kind": "camvid"}]), [], "camvid needs --root DIR"),
        (write_recipe(tmp_path / "d.yaml", architecture={"name": "x"}), [], "unknown model 'x'"),
    ):
        assert train(recipe, tmp_path / "run", *options) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
