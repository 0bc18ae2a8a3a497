import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.model.checkpoint import load_checkpoint, read_metadata
from bisenetformer_ros.segmenter import Segmenter

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
    return main(["train", "--config", str(recipe), "--out", str(out), "--workers", "0", "--device", "cpu", *options])


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


@pytest.mark.parametrize(("task", "panoptic"), [("semantic", False), ("panoptic", True)])
def test_the_weights_open_with_the_task_of_the_recipe(tmp_path: Path, task: str, panoptic: bool) -> None:
    out = tmp_path / "run"
    assert train(write_recipe(tmp_path / "short.yaml", task=task, validation=DRIVES), out) == 0
    for name in ("short", "latest", "best"):
        metadata = read_metadata(out / f"{name}.safetensors")
        assert metadata.task == metadata.provenance["task"] == task
    result = Segmenter(out / "short.safetensors", device="cpu")(np.zeros((72, 96, 3), np.uint8))
    assert (result.panoptic_map is not None) == panoptic
    figures = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [("pq" in line["validation"]) for line in figures if "validation" in line] == [panoptic]


def test_a_run_is_measured_and_drawn_on_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path / "short.yaml", validation=DRIVES, validate_every=1)
    assert train(recipe, tmp_path / "run", "--tensorboard") == 0
    told = capsys.readouterr().err
    assert "after iteration 1: mIoU" in told
    assert "after iteration 2: mIoU" in told
    written = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file()}
    events = {name for name in written if name.startswith("tensorboard/events.out.tfevents")}
    assert len(events) == 1
    assert written - events == {
        *("checkpoint.pt", "lock", "log.jsonl", "short.safetensors", "latest.safetensors", "best.safetensors"),
        *(f"pictures/iteration_00000{n}/drive20000_0{frame}.png" for n in (1, 2) for frame in ("00", "59")),
    }
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["iteration"] for line in lines] == [1, 1, 2, 2]
    assert ["validation" in line for line in lines] == [False, True, False, True]


def test_a_run_begins_with_the_weights_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a negligible learning rate they are the result."""
    first = write_recipe(tmp_path / "first.yaml")
    assert train(first, tmp_path / "one") == 0
    weights = tmp_path / "one" / "short.safetensors"
    second = write_recipe(tmp_path / "second.yaml", learning_rate=1e-12, initial_weights="nowhere.pth")
    assert train(second, tmp_path / "two", "--initial-weights", str(weights)) == 0
    assert f"all weights from {weights}" in " ".join(capsys.readouterr().err.split())
    given, found = (load_checkpoint(path)[0] for path in (weights, tmp_path / "two" / "short.safetensors"))
    torch.testing.assert_close(found.decoder.query_feat.weight, given.decoder.query_feat.weight)

    weights.unlink()  # a run that has a state needs them no more
    assert train(second, tmp_path / "two", "--initial-weights", str(weights)) == 0
    assert train(second, tmp_path / "three") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "recipe's initial_weights: model 'nowhere.pth' is neither a file nor one of the shipped models" in told
    assert "--initial-weights FILE" in told


def test_a_run_begins_with_what_fits_of_another_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(write_recipe(tmp_path / "first.yaml"), tmp_path / "one") == 0
    start = {
        "architecture": {"name": "bisenetformer-nano", **SMALL, "num_queries": 8},
        "initial_weights": str(tmp_path / "one" / "short.safetensors"),
        "learning_rate": 1e-12,
    }
    assert train(write_recipe(tmp_path / "exact.yaml", **start), tmp_path / "two") == 2
    assert "set strict: false in the recipe" in " ".join(capsys.readouterr().err.split())
    assert train(write_recipe(tmp_path / "forgiving.yaml", **start, strict=False), tmp_path / "two") == 0
    told = capsys.readouterr().err
    assert re.search(
        r"^ +decoder.query_feat +1 +decoder.query_feat.weight: \[6, 16\], the network has \[8, 16\]", told, re.M
    )
    given, found = (load_checkpoint(tmp_path / run / "short.safetensors")[0] for run in ("one", "two"))
    assert found.decoder.query_feat.weight.shape == (8, 16)
    torch.testing.assert_close(found.backbone.stem[0].conv.weight, given.backbone.stem[0].conv.weight)


def test_ctrl_c_finishes_the_step_and_saves(tmp_path: Path) -> None:
    """A terminal sends it to the whole process group, including the loader processes."""
    recipe, out = write_recipe(tmp_path / "short.yaml", iterations=1_000_000), tmp_path / "run"
    command = [sys.executable, "-m", "bisenetformer_ros.cli", "train", "--config", str(recipe), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--workers", "2", "--device", "cpu"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    log = out / "log.jsonl"
    while process.poll() is None and not (log.is_file() and log.stat().st_size):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 128 + signal.SIGINT, told
    assert "Traceback" not in told
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert state["iteration"] == lines[-1]["iteration"] == len(lines)
    assert f"stopped after iteration {len(lines)}, state saved; the same command continues" in " ".join(told.split())


def test_a_second_training_in_the_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a third one takes over as soon as the first was killed."""
    endless, out = write_recipe(tmp_path / "endless.yaml", iterations=1_000_000), tmp_path / "run"
    command = [sys.executable, "-m", "bisenetformer_ros.cli", "train", "--config", str(endless), "--out", str(out)]
    with subprocess.Popen([*command, "--workers", "2", "--device", "cpu"], stderr=subprocess.DEVNULL) as first:
        while first.poll() is None and not (out / "log.jsonl").is_file():
            time.sleep(0.1)
        for options in ((), ("--restart",)):
            assert train(endless, out, *options) == 2
            assert f"{out} is in use: process {first.pid} trains there" in " ".join(capsys.readouterr().err.split())
        assert (out / "log.jsonl").is_file()
        first.kill()
    assert train(write_recipe(tmp_path / "short.yaml"), out, "--restart") == 0


def test_more_iterations_go_the_way_that_the_message_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, out = write_recipe(tmp_path / "short.yaml"), tmp_path / "my run"
    assert train(first, out) == 0
    longer = write_recipe(tmp_path / "longer.yaml", iterations=3)
    assert train(longer, out) == 2
    message = capsys.readouterr().err.split("error: ")[1]
    assert "belongs to a run with iterations 2 (now 3)" in message
    (options,) = re.findall(r"add `(--initial-weights .+)`\. ", message)
    assert train(longer, tmp_path / "more", *shlex.split(options)) == 0
    assert f"all weights from {out / 'short.safetensors'}" in " ".join(capsys.readouterr().err.split())
    assert len((tmp_path / "more" / "log.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_unusable_settings_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_recipe(tmp_path / "good.yaml")
    for recipe, options, message in (
        (good, ["--device", "cuda:99"], "device 'cuda:99' was requested"),
        (write_recipe(tmp_path / "a.yaml", batch_size=1), [], "batch_size is 1"),
        (write_recipe(tmp_path / "b.yaml", labels="ade20k150"), [], "synthetic has the labels camvid11, not ade20k150"),
        (write_recipe(tmp_path / "c.yaml", sources=[{"kind": "camvid"}]), [], "camvid needs --root DIR"),
        (write_recipe(tmp_path / "d.yaml", architecture={"name": "x"}), [], "unknown model 'x'"),
    ):
        assert train(recipe, tmp_path / "run", *options) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()
