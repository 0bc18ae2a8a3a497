import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from bisenetformer_ros.training.distributed import average, default_workers, gather, joined_world, largest


def two_processes(directory: Path, script: str = "distributed_run.py") -> list[str]:
    """Run them and return what they print."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        [*launch, str(Path(__file__).with_name(script)), str(directory)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return [line for line in process.stdout.splitlines() if line.startswith("process ")]  # Gloo may print as well


def largest_difference(states: list[dict[str, Any]], part: str) -> float:
    one, other = (state["learner"][part] for state in states)
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def test_two_processes_train_like_one(short_run: ModuleType, tmp_path: Path) -> None:
    """20 steps with the same batches of 4 images, 2 for each process; those two are stopped half-way and continue.

    Weights of order 1 agree to 1e-10. In single precision the first loss agrees to 3e-7, but rounding grows from step
    to step: the normalization of 1x1 maps over 4 images and Adam's division by small gradients magnify it.
    """
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    trainer = short_run.trainer(alone, dtype=torch.float64, **short_run.SHARED_BY_TWO)
    before = trainer.learner.model.decoder.query_feat.weight.detach().clone()
    trainer.run(0)
    assert sorted(two_processes(shared)) == [
        *("process 0 began, ends after 11 by 15", "process 0 continued, ends after 20 by None"),
        *("process 1 began, ends after 11 by 15", "process 1 continued, ends after 20 by None"),
    ]
    states = [torch.load(directory / "checkpoint.pt", weights_only=True) for directory in (alone, shared)]
    assert [state["iteration"] for state in states] == [20, 20]
    assert states[0]["validation"] == states[1]["validation"]
    assert largest_difference(states, "network") < 1e-10
    assert largest_difference(states, "average") < 1e-10
    learned = states[0]["learner"]["network"]["model.decoder.query_feat.weight"]
    assert float((learned - before).abs().max()) > 1e-3
    assert {file.name for file in shared.iterdir()} == {"checkpoint.pt", "latest.safetensors", "best.safetensors"}


def test_two_processes_share_a_validation(tmp_path: Path) -> None:
    """The figures are those of one process, to the last digit; the first process takes three images."""
    (tmp_path / "alone").mkdir()
    (tmp_path / "shared").mkdir()
    script = Path(__file__).with_name("shared_validation.py")
    alone = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "alone")], capture_output=True, text=True, check=True
    ).stdout
    assert alone.startswith("process 0: (5, 5) images, 4 pictures, ")
    figures = alone.strip().partition("pictures, ")[2]
    assert 0.1 < json.loads(figures)["pq"] == json.loads(figures)["best"] < 1
    assert sorted(two_processes(tmp_path / "shared", "shared_validation.py")) == [
        f"process 0: (3, 3) images, 4 pictures, {figures}",
        f"process 1: (2, 2) images, 0 pictures, {figures}",
    ]
    assert {file.name for file in (tmp_path / "shared").iterdir()} == {"latest.safetensors", "best.safetensors"}


def test_a_process_alone_is_the_world() -> None:
    with joined_world(torch.device("cpu")) as world:
        assert (world.rank, world.size, world.device, world.is_main) == (0, 1, torch.device("cpu"), True)
        assert average(torch.tensor([1.0, 3.0])).tolist() == [1.0, 3.0]
        assert (largest(7, world.device), gather("a")) == (7, ["a"])


@pytest.mark.parametrize(("cores", "processes", "workers"), [(1, "1", 1), (2, None, 1), (16, None, 15), (16, "4", 3)])
def test_loaders_take_the_cores_that_a_process_has(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: str | None, workers: int
) -> None:
    """torchrun sets LOCAL_WORLD_SIZE. Of several processes, each leaves one core to itself."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if processes is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    assert default_workers() == workers
