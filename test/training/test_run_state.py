import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import torch

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.training.run_state import RunState, RunStateError

CPU = torch.device("cpu")


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """As on a full disk, the kernel refuses to let a file grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_kill_at_any_moment_leaves_a_whole_state(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_savers.py")
    command = [sys.executable, str(script), str(tmp_path / "checkpoint.pt"), "40"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    kills = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(kills) == 40
    assert all(kill["whole"] for kill in kills)
    assert all(kill["half_done"] for kill in kills[1::2])
    numbers = [kill["number"] for kill in kills]
    assert numbers == sorted(numbers)
    assert numbers[-1] >= 30  # twenty processes that were let save 0, 1, 2 or 3 times
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_full_disk_leaves_the_state_before(short_run: ModuleType, tmp_path: Path) -> None:
    run_state = RunState(tmp_path / "checkpoint.pt", short_run.config())
    weights = torch.rand(100_000)
    with (
        files_of_at_most(10_000),
        pytest.raises(RunStateError, match=r"cannot write the run state of 0 MB .*too large.*no previous state\. Make"),
    ):
        run_state.save({"weights": weights})
    assert not run_state.exists()
    run_state.save({"weights": weights})
    with files_of_at_most(10_000), pytest.raises(RunStateError, match="the previous state is kept"):
        run_state.save({"weights": weights + 1})
    assert torch.equal(run_state.load(CPU)["weights"], weights)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_run_state_of_another_recipe_is_rejected(short_run: ModuleType, tmp_path: Path) -> None:
    """With the way to train on, which test/cli/test_train.py goes."""
    path = tmp_path / "checkpoint.pt"
    RunState(path, short_run.config()).save({})
    other = RunState(path, short_run.config(name="longer", iterations=8, crop_size=(64, 96)))
    changes = r"name 'short' \(now 'longer'\), iterations 6 \(now 8\), crop_size \(64, 64\) \(now \(64, 96\)\)\. "
    with pytest.raises(ConfigError, match=changes + ".* start it with the weights that this run ends with.*--restart"):
        other.load(CPU)
    for name in ("latest", "best", "short"):
        (tmp_path / f"{name}.safetensors").touch()
        with pytest.raises(
            ConfigError, match=rf"another --out and add `--initial-weights {tmp_path}/{name}.safetensors`"
        ):
            other.load(CPU)


def test_keys_that_are_newer_than_the_run_have_their_default(short_run: ModuleType, tmp_path: Path) -> None:
    run_state = RunState(tmp_path / "checkpoint.pt", short_run.config())
    run_state.config.pop("strict")
    run_state.save({"weights": torch.ones(1)})
    assert RunState(tmp_path / "checkpoint.pt", short_run.config()).load(CPU)["weights"] == 1
    with pytest.raises(ConfigError, match=r"belongs to a run with strict True \(now False\)"):
        RunState(tmp_path / "checkpoint.pt", short_run.config(strict=False)).load(CPU)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_corrupt_file_is_reported(short_run: ModuleType, tmp_path: Path, share: float) -> None:
    run_state = RunState(tmp_path / "checkpoint.pt", short_run.config())
    run_state.save({"weights": torch.rand(100)})
    content = run_state.path.read_bytes()
    run_state.path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunStateError, match=r"checkpoint.pt: not a run state, or corrupt .*--restart"):
        run_state.load(CPU)


def test_a_file_that_is_not_a_run_state_is_reported(short_run: ModuleType, tmp_path: Path) -> None:
    torch.save({"model": torch.rand(3)}, tmp_path / "checkpoint.pt")
    with pytest.raises(RunStateError, match="not a run state"):
        RunState(tmp_path / "checkpoint.pt", short_run.config()).load(CPU)


def test_removing_deletes_unfinished_files_as_well(short_run: ModuleType, tmp_path: Path) -> None:
    run_state = RunState(tmp_path / "checkpoint.pt", short_run.config())
    run_state.remove()
    run_state.save({})
    (tmp_path / "checkpoint.pt.17.unfinished").write_bytes(b"half")
    run_state.remove()
    assert list(tmp_path.iterdir()) == []
