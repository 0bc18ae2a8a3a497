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

from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.training.distributed import World
from bisenetformer_ros.training.loop import deferred_signals
from bisenetformer_ros.training.observers import LogFile, TrainingObserver


class Records(list, TrainingObserver):
    """Collects the records of all iterations."""

    def on_iteration(self, iteration: int, record: dict[str, float]) -> None:
        self.append({"iteration": iteration, **record})


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


def final_state(directory: Path) -> dict[str, Any]:
    """The run state without the duration of the run."""
    state = torch.load(directory / "checkpoint.pt", weights_only=True)
    del state["seconds"]
    return state


def test_a_killed_run_continues_as_if_nothing_had_happened(short_run: ModuleType, tmp_path: Path) -> None:
    """With averaged weights, auxiliary classifiers and a scaled loss, whose scale changes on the way."""
    changes = {"precision": "fp16", "iterations": 10}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    with LogFile(whole / "log.jsonl") as log:
        short_run.trainer(whole, **changes).run(0, [log])

    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    for last_iteration in (3, 7):
        command = [sys.executable, short_run.__file__, str(broken), str(last_iteration), json.dumps(changes)]
        process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert process.returncode == -signal.SIGKILL, process.stderr
    assert [record["iteration"] for record in read_log(broken)] == [1, 2, 3, 3, 4, 5, 6, 7]

    trainer = short_run.trainer(broken, **changes)
    assert trainer.resume()
    assert trainer.iteration == 6
    with LogFile(broken / "log.jsonl") as log:
        assert trainer.run(0, [log]) is None
    state = final_state(whole)
    assert_identical(final_state(broken), state)
    assert state["learner"]["scaler"]["scale"] < 65536
    assert state["learner"]["optimizer"]["state"]  # some steps were not left out
    losses = [{r["iteration"]: r["loss"] for r in read_log(directory)} for directory in (broken, whole)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_that_continues_as_if_nothing_had_happened(
    short_run: ModuleType, tmp_path: Path, signal_number: int
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    short_run.trainer(whole).run(0)
    stopped = short_run.trainer(broken)
    handler = signal.getsignal(signal_number)
    ending = short_run.Ending(3, lambda: os.kill(os.getpid(), signal_number))
    assert stopped.run(0, [ending]) == signal_number
    assert signal.getsignal(signal_number) is handler

    continued = short_run.trainer(broken)
    assert continued.resume()
    assert continued.iteration == 3
    assert continued.run(0) is None
    assert_identical(final_state(broken), final_state(whole))


def test_a_signal_in_the_last_iteration_comes_too_late(short_run: ModuleType, tmp_path: Path) -> None:
    ending = short_run.Ending(2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert short_run.trainer(tmp_path, iterations=2).run(0, [ending]) is None


def test_a_finished_run_has_nothing_left_to_do(short_run: ModuleType, tmp_path: Path) -> None:
    short_run.trainer(tmp_path, iterations=2).run(0)
    again = short_run.trainer(tmp_path, iterations=2)
    assert again.resume()
    records = Records()
    assert again.run(0, [records]) is None
    assert records == []


def test_there_is_nothing_to_resume_in_an_empty_directory(short_run: ModuleType, tmp_path: Path) -> None:
    assert not short_run.trainer(tmp_path / "none").resume()


def test_observers_are_notified_of_every_iteration(short_run: ModuleType, tmp_path: Path) -> None:
    records = Records()
    trainer = short_run.trainer(tmp_path, iterations=2)
    trainer.run(0, [records])
    assert [record["iteration"] for record in records] == [1, 2]
    for record in records:
        terms = [record[name] for name in ("class", "bce", "dice", "auxiliary")]
        assert record["loss"] == pytest.approx(sum(terms))
        assert min(*terms, record["gradient_norm"], record["data_s"], record["step_s"]) > 0
    assert trainer.seconds >= sum(record["data_s"] + record["step_s"] for record in records)


def test_training_lowers_the_loss(short_run: ModuleType, tmp_path: Path) -> None:
    records = Records()
    trainer = short_run.trainer(
        tmp_path, iterations=40, learning_rate=3e-3, backbone_multiplier=1.0, scale_range=(0.9, 1.1), clip_norm=1.0
    )
    trainer.run(0, [records])
    losses = [record["loss"] for record in records]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_corrupt_file_is_reported_without_a_traceback(
    short_run: ModuleType, tmp_path: Path, num_workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: object, index: int) -> None:
        raise DataError(f"square{index}.png is truncated")

    trainer = short_run.trainer(tmp_path)
    monkeypatch.setattr(short_run.Squares, "__getitem__", damaged)
    with pytest.raises(DataError, match=r"^square\d.png is truncated$"):
        trainer.run(num_workers)


@pytest.mark.parametrize(("batch_size", "size", "accumulate"), [(2, 2, 1), (8, 3, 1), (8, 1, 3), (4, 2, 2)])
def test_a_batch_that_cannot_be_split_is_reported(
    short_run: ModuleType, tmp_path: Path, batch_size: int, size: int, accumulate: int
) -> None:
    world = World(0, size, torch.device("cpu"))
    message = rf"batch_size is {batch_size}, expected a multiple of {size * accumulate} .* at least 2 images"
    with pytest.raises(ConfigError, match=message):
        short_run.trainer(tmp_path, world, batch_size=batch_size, accumulate=accumulate)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_deferred_signal_only_is_recorded(number: int) -> None:
    before = signal.getsignal(number)
    with deferred_signals() as signals:
        assert signals == []
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert signals == [number, number]
    assert signal.getsignal(number) is before


def test_signals_are_deferred_only_inside_the_context() -> None:
    with deferred_signals():
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
