import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.training.loop import DivergedError


def ignore(_: dict[str, float]) -> None:
    pass


def assert_identical(actual: Any, expected: Any, where: str = "state") -> None:
    """Bit for bit, through dictionaries and lists."""
    assert type(actual) is type(expected), where
    if isinstance(expected, torch.Tensor):
        assert torch.equal(actual, expected), where
    elif isinstance(expected, dict):
        assert actual.keys() == expected.keys(), where
        for key in expected:
            assert_identical(actual[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected), where
        for index, pair in enumerate(zip(actual, expected, strict=True)):
            assert_identical(*pair, f"{where}.{index}")
    else:
        assert actual == expected, where


def read_log(directory: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (directory / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_killed_run_continues_as_if_nothing_had_happened(short_run: ModuleType, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = short_run.trainer(whole).run(0, ignore).state_dict()

    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, short_run.__file__, str(broken), "5"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert [record["iteration"] for record in read_log(broken)] == [1, 2, 3, 4, 5]

    trainer = short_run.trainer(broken)
    assert trainer.resume()
    assert trainer.iteration == 4
    assert_identical(dict(trainer.run(0, ignore).state_dict()), dict(expected))
    states = [torch.load(directory / "checkpoint.pt", weights_only=True) for directory in (broken, whole)]
    assert_identical(*states)
    losses = [{r["iteration"]: r["loss"] for r in read_log(directory)} for directory in (broken, whole)]
    assert losses[0] == losses[1]


def test_a_finished_run_has_nothing_left_to_do(short_run: ModuleType, tmp_path: Path) -> None:
    short_run.trainer(tmp_path, iterations=2).run(0, ignore)
    again = short_run.trainer(tmp_path, iterations=2)
    assert again.resume()
    again.run(0, lambda record: pytest.fail(f"did {record}"))


def test_there_is_nothing_to_resume_in_an_empty_directory(short_run: ModuleType, tmp_path: Path) -> None:
    assert not short_run.trainer(tmp_path / "none").resume()


def test_another_recipe_does_not_continue_a_run(short_run: ModuleType, tmp_path: Path) -> None:
    short_run.trainer(tmp_path).save()
    with pytest.raises(
        ConfigError, match=r"iterations 6 \(now 8\), crop_size \(64, 64\) \(now \(64, 96\)\); .*--restart"
    ):
        short_run.trainer(tmp_path, iterations=8, crop_size=(64, 96)).resume()


def test_a_run_logs_its_iterations(short_run: ModuleType, tmp_path: Path) -> None:
    seen = []
    short_run.trainer(tmp_path, iterations=2).run(0, seen.append)
    log = read_log(tmp_path)
    assert log == seen
    assert [record["iteration"] for record in log] == [1, 2]
    for record in log:
        terms = [record[name] for name in ("class", "bce", "dice", "auxiliary")]
        assert record["loss"] == pytest.approx(sum(terms), abs=1e-3)
        assert min(terms) > 0


def test_training_lowers_the_loss(short_run: ModuleType, tmp_path: Path) -> None:
    losses = []
    trainer = short_run.trainer(
        tmp_path, iterations=40, learning_rate=3e-3, backbone_multiplier=1.0, scale_range=(0.9, 1.1), clip_norm=1.0
    )
    trainer.run(0, lambda record: losses.append(record["loss"]))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_the_averaged_weights_follow_the_trained_ones(short_run: ModuleType, tmp_path: Path) -> None:
    trainer = short_run.trainer(tmp_path, iterations=2)
    steps = []
    final = trainer.run(0, lambda _: steps.append(trainer.model.decoder.query_feat.weight.detach().clone()))
    torch.testing.assert_close(final.decoder.query_feat.weight, 0.5 * steps[0] + 0.5 * steps[1])
    assert not torch.equal(steps[0], steps[1])
    assert not final.training


def test_without_averaging_the_trained_weights_are_final(short_run: ModuleType, tmp_path: Path) -> None:
    trainer = short_run.trainer(tmp_path, iterations=1, ema_decay=0.0, auxiliary_weight=0.0)
    assert trainer.run(0, ignore) is trainer.model


@pytest.mark.parametrize("place", ["decoder.query_feat.weight", "backbone.stem.0.conv.weight"])
def test_a_loss_that_is_no_number_names_the_images(short_run: ModuleType, tmp_path: Path, place: str) -> None:
    trainer = short_run.trainer(tmp_path)
    with torch.no_grad():
        trainer.model.get_parameter(place).fill_(float("nan"))
    batch = next(trainer._batches(0))
    assert len(batch.names) == 2
    with pytest.raises(DivergedError) as caught:
        trainer.run(0, ignore)
    message = str(caught.value)
    assert "nan at iteration 0" in message
    assert ", ".join(batch.names) in message
    assert not trainer.checkpoint_path.exists()


def test_a_gradient_that_is_no_number_stops_before_it_is_used(short_run: ModuleType, tmp_path: Path) -> None:
    trainer = short_run.trainer(tmp_path)
    weight = trainer.model.decoder.query_feat.weight
    before = weight.detach().clone()
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(DivergedError, match="its gradient inf at iteration 0"):
        trainer.run(0, ignore)
    assert torch.equal(weight, before)


def test_a_failure_while_writing_leaves_the_old_checkpoint(
    short_run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = short_run.trainer(tmp_path)
    trainer.save()
    before = trainer.checkpoint_path.read_bytes()

    def fill_the_disk(_: Any, stream: Any) -> None:
        stream.write(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        trainer.save()
    assert trainer.checkpoint_path.read_bytes() == before
    assert short_run.trainer(tmp_path).resume()
