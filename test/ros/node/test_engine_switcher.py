"""The states of a switch with real commands and engines: its file is a weights file that `bisenetformer convert`
builds."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bisenetformer_ros.inference.engines import plan
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.plan import BuildStep, EnginePlan
from bisenetformer_ros.ros.node import engine_switcher
from bisenetformer_ros.ros.node.engine_switcher import MIN_FRAMES, EngineState, EngineSwitch, EngineSwitcher
from bisenetformer_ros.segmenter import Segmenter

MISSING, STALE, REFUSED, BUILDING, OPENING, SERVING = (
    EngineState.MISSING,
    EngineState.STALE,
    EngineState.REFUSED,
    EngineState.BUILDING,
    EngineState.OPENING,
    EngineState.SERVING,
)
SIZE = (48, 80)
LOGGER = logging.getLogger("switch")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every update polls."""
    monkeypatch.setattr(engine_switcher, "POLL_PERIOD_S", 0.0)


@pytest.fixture
def source(random_weights: Path, tmp_path: Path) -> Path:
    """The file that the engine's file is built from."""
    return Path(shutil.copy(random_weights, tmp_path / "source.safetensors"))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """The file that the engine opens; missing."""
    return tmp_path / "built.safetensors"


@pytest.fixture
def switch_to(source: Path, built: Path) -> Iterator[Callable[..., EngineSwitch]]:
    """Makes the switch to an engine that opens `built`."""
    switches: list[EngineSwitch] = []

    def switch_to(may_build: bool, logger: logging.Logger = LOGGER) -> EngineSwitch:
        planned = EnginePlan("torch", "semantic", "cpu", "fp32", (BuildStep("convert", source, built),))
        switches.append(EngineSwitch(planned, SIZE, lambda: may_build, logger))
        return switches[-1]

    yield switch_to
    for switch in switches:
        switch.close()


def states(switch: EngineSwitch, *ends: EngineState) -> list[EngineState]:
    """Updates until one of the states is reached; returns the states on the way."""
    seen = [switch.state]
    while True:
        switch.update()
        if switch.state is not seen[-1]:
            seen.append(switch.state)
        if switch.state in ends:
            return seen
        time.sleep(0.02)


def test_a_file_that_exists_is_opened(source: Path, built: Path, switch_to: Callable[..., EngineSwitch]) -> None:
    shutil.copy(source, built)
    switch = switch_to(may_build=False)
    assert states(switch, SERVING) == [MISSING, OPENING, SERVING]
    assert (switch.engine.name, switch.engine.task, switch.problem) == ("torch", "semantic", "")


def test_a_missing_file_is_built_where_that_is_allowed(
    source: Path, built: Path, switch_to: Callable[..., EngineSwitch], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    switch = switch_to(may_build=True)
    states(switch, BUILDING)
    assert f"torch does not serve yet: `bisenetformer convert {source} {built}` has been running for" in switch.problem
    assert states(switch, SERVING) == [BUILDING, OPENING, SERVING]
    assert (switch.engine.name, switch.problem) == ("torch", "")
    assert caplog.messages[-1].startswith(f"wrote random to {built}")


def test_a_missing_file_is_reported_and_taken_once_somebody_has_built_it(
    source: Path, built: Path, switch_to: Callable[..., EngineSwitch], caplog: pytest.LogCaptureFixture
) -> None:
    switch = switch_to(may_build=False)
    for _ in range(3):
        switch.update()
    assert switch.state is MISSING
    assert switch.problem == (
        f"torch does not serve yet: built.safetensors is missing; run `bisenetformer convert {source} {built}`, "
        "or set build_engine to have the node do it"
    )
    assert caplog.messages == [switch.problem]
    shutil.copy(source, built)
    assert states(switch, SERVING) == [MISSING, OPENING, SERVING]


def test_a_stale_file_is_rebuilt_where_that_is_allowed(built: Path, switch_to: Callable[..., EngineSwitch]) -> None:
    built.write_bytes(b"from another time")
    assert states(switch_to(may_build=True), SERVING) == [MISSING, OPENING, BUILDING, OPENING, SERVING]


def test_a_stale_file_is_reported_with_the_reason_and_the_command(
    source: Path, built: Path, switch_to: Callable[..., EngineSwitch]
) -> None:
    built.write_bytes(b"from another time")
    switch = switch_to(may_build=False)
    assert states(switch, STALE) == [MISSING, OPENING, STALE]
    switch.update()
    assert switch.state is STALE
    assert "built.safetensors: corrupt" in switch.problem
    assert f"run `bisenetformer convert {source} {built}`" in switch.problem


def test_a_failed_build_is_not_retried_but_a_file_built_by_hand_is_taken(
    random_weights: Path, source: Path, built: Path, switch_to: Callable[..., EngineSwitch]
) -> None:
    source.unlink()
    switch = switch_to(may_build=True)
    assert states(switch, REFUSED) == [MISSING, BUILDING, REFUSED]
    assert f"failed with exit code 2: bisenetformer convert: error: model '{source}' is neither" in switch.problem
    for _ in range(3):
        switch.update()
        assert switch.state is REFUSED
    shutil.copy(random_weights, built)
    assert states(switch, SERVING) == [REFUSED, OPENING, SERVING]


def test_a_failed_build_is_retried_once_its_input_has_changed(
    random_weights: Path, source: Path, switch_to: Callable[..., EngineSwitch]
) -> None:
    source.write_bytes(b"no weights")
    switch = switch_to(may_build=True)
    states(switch, REFUSED)
    shutil.copy(random_weights, source)
    assert states(switch, SERVING) == [REFUSED, BUILDING, OPENING, SERVING]


def test_a_command_that_does_not_help_is_not_repeated(
    built: Path, switch_to: Callable[..., EngineSwitch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_switcher, "open_plan", lambda plan: open_engine(plan.path, "semantic", "steam"))
    switch = switch_to(may_build=True)
    assert states(switch, REFUSED) == [MISSING, BUILDING, OPENING, REFUSED]
    assert f"{built}` did not help: unknown engine 'steam'" in switch.problem


@pytest.mark.parametrize("may_build", [True, False])
def test_an_unusable_cache_is_a_warning(
    switch_to: Callable[..., EngineSwitch],
    source: Path,
    may_build: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    source.unlink()  # so that a build fails
    switch = switch_to(may_build)
    states(switch, REFUSED if may_build else MISSING)
    words = "the cache folder /dev/null/bisenetformer_ros cannot be written: set the parameter cache_dir"
    assert words in switch.problem
    assert [record.levelname for record in caplog.records if words in record.getMessage()] == ["WARNING"]


def test_a_command_that_cannot_run_here_is_not_started(
    source: Path, built: Path, switch_to: Callable[..., EngineSwitch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "NEEDED_MIB", 10**9)
    switch = switch_to(may_build=True)
    assert states(switch, REFUSED) == [MISSING, REFUSED]
    assert "MiB of memory are available, expected 1000000000" in switch.problem
    shutil.copy(source, built)  # built elsewhere
    assert states(switch, SERVING) == [REFUSED, OPENING, SERVING]


def test_closing_stops_the_command(switch_to: Callable[..., EngineSwitch]) -> None:
    switch = switch_to(may_build=True)
    states(switch, BUILDING)
    pid = switch._builder.pid
    switch.close()
    assert not Path(f"/proc/{pid}").exists()


@pytest.fixture
def segmenter(random_weights: Path) -> Segmenter:
    return Segmenter(random_weights, "torch", "semantic", "cpu", "fp32")


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_the_switcher_survives_a_cache_that_cannot_be_created(
    segmenter: Segmenter, random_weights: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="nothing else is faster than PyTorch on a CPU")
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    switcher = EngineSwitcher(segmenter, random_weights, precision, 1, lambda: False, LOGGER)
    for _ in range(MIN_FRAMES):
        segmenter(np.zeros((*SIZE, 3), np.uint8))
    switcher.update()
    assert "openvino does not serve yet: " in switcher.problem
    assert "cannot be written: set the parameter cache_dir" in switcher.problem
    switcher.close()


def test_weights_that_are_gone_are_a_warning(
    segmenter: Segmenter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("openvino", reason="nothing else is faster than PyTorch on a CPU")
    switcher = EngineSwitcher(segmenter, tmp_path / "gone", "auto", 1, lambda: False, LOGGER)
    for _ in range(MIN_FRAMES):
        segmenter(np.zeros((*SIZE, 3), np.uint8))
    switcher.update()
    switcher.update()
    (message,) = caplog.messages
    assert message.startswith("no faster engine can be looked for: [Errno 2]")
