"""An upgrade with real commands and real engines: its file is a weights file, which `bisenetformer convert` makes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bisenetformer_ros.inference.engines.upgrades import Step, Upgrade
from bisenetformer_ros.ros.node.engine_upgrade import EngineUpgrade
from patience import LIMIT_S

from bisenetformer_ros.ros.node import engine_upgrade


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The file that the engine runs; not there."""
    return tmp_path / "made.safetensors"


@pytest.fixture
def start(made: Path) -> Iterator[Callable[..., EngineUpgrade]]:
    """Starts the upgrade to an engine of a copy of some weights."""
    started: list[EngineUpgrade] = []

    def start(weights: Path, may_build: bool, log: Callable[[str], None] = print) -> EngineUpgrade:
        upgrade = Upgrade("torch", "semantic", "cpu", "fp32", (Step(made, ("convert", str(weights), str(made))),))
        started.append(EngineUpgrade(upgrade, (48, 80), lambda: may_build, log))
        return started[-1]

    yield start
    for upgrade in started:
        upgrade.close()


def go_on(upgrade: EngineUpgrade, until: Callable[[], bool] = lambda: False) -> None:
    """Until the condition holds, or the upgrade has come to its end."""
    deadline = time.monotonic() + LIMIT_S
    while upgrade.update() and not until():
        assert time.monotonic() < deadline, upgrade.problem
        time.sleep(0.05)


def test_what_is_there_is_opened(random_weights: Path, made: Path, start: Callable[..., EngineUpgrade]) -> None:
    made.write_bytes(random_weights.read_bytes())
    upgrade = start(random_weights, may_build=False)
    go_on(upgrade)
    assert (upgrade.engine.name, upgrade.engine.task, upgrade.problem) == ("torch", "semantic", "")


def test_what_is_missing_is_made_where_that_is_allowed(
    random_weights: Path, made: Path, start: Callable[..., EngineUpgrade]
) -> None:
    lines: list[str] = []
    problems: list[str] = []
    upgrade = start(random_weights, may_build=True, log=lines.append)
    go_on(upgrade, until=lambda: problems.append(upgrade.problem))
    assert (upgrade.engine.name, upgrade.problem) == ("torch", "")
    assert f"torch does not serve yet: `bisenetformer convert {random_weights} {made}` has been at work" in problems[0]
    assert lines[-1].startswith(f"wrote random to {made}")


def test_what_is_missing_is_told_and_taken_once_somebody_has_made_it(
    random_weights: Path, made: Path, start: Callable[..., EngineUpgrade], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_upgrade, "LOOK_PERIOD_S", 0.1)
    upgrade = start(random_weights, may_build=False)
    assert upgrade.update()
    assert upgrade.problem == (
        f"torch does not serve yet: made.safetensors is missing; run `bisenetformer convert {random_weights} {made}`, "
        "or set build_engine to have the node do it"
    )
    made.write_bytes(random_weights.read_bytes())
    go_on(upgrade)
    assert upgrade.engine is not None


def test_what_cannot_be_opened_is_made_anew(
    random_weights: Path, made: Path, start: Callable[..., EngineUpgrade]
) -> None:
    made.write_bytes(b"of another time")
    upgrade = start(random_weights, may_build=True)
    go_on(upgrade)
    assert upgrade.engine is not None


def test_what_cannot_be_opened_is_told_with_the_reason_and_the_command(
    random_weights: Path, made: Path, start: Callable[..., EngineUpgrade]
) -> None:
    made.write_bytes(b"of another time")
    upgrade = start(random_weights, may_build=False)
    go_on(upgrade, until=lambda: "run `" in upgrade.problem)
    assert "made.safetensors: damaged" in upgrade.problem
    assert f"run `bisenetformer convert {random_weights} {made}`" in upgrade.problem
    assert upgrade.engine is None


def test_a_command_that_fails_is_told_with_its_last_words_and_not_repeated(
    made: Path, start: Callable[..., EngineUpgrade]
) -> None:
    upgrade = start(Path("/nowhere.pth"), may_build=True)
    go_on(upgrade)
    assert "ended with exit code 2: bisenetformer convert: error: no weights file at /nowhere.pth" in upgrade.problem
    assert not upgrade.update()
    assert upgrade.engine is None


def test_closing_ends_the_command(random_weights: Path, made: Path, start: Callable[..., EngineUpgrade]) -> None:
    upgrade = start(random_weights, may_build=True)
    assert upgrade.update()
    pid = upgrade._command.pid
    upgrade.close()
    assert not Path(f"/proc/{pid}").exists()
    assert not upgrade.update()
