"""The states of a switch with real commands and engines: its file is a weights file that `bisenetformer convert`
builds. The engine that serves meanwhile is PyTorch, slowed down."""

import itertools
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bisenetformer_ros.inference.calibration_frames import NUM_FRAMES, SPACING_S
from bisenetformer_ros.inference.engines import kept_measurements, plan, switching
from bisenetformer_ros.inference.engines.kept_measurements import KeptMeasurements
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.plan import BuildStep, EnginePlan
from bisenetformer_ros.inference.engines.switching import SwitchingEngine, measured_times
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.ros.node import engine_switcher
from bisenetformer_ros.ros.node.engine_switcher import MIN_FRAMES, EngineState, EngineSwitch, EngineSwitcher
from bisenetformer_ros.segmenter import Segmenter

MISSING, STALE, REFUSED, COLLECTING, BUILDING, OPENING, MEASURING, SLOWER, SERVING = (
    EngineState.MISSING,
    EngineState.STALE,
    EngineState.REFUSED,
    EngineState.COLLECTING,
    EngineState.BUILDING,
    EngineState.OPENING,
    EngineState.MEASURING,
    EngineState.SLOWER,
    EngineState.SERVING,
)
SIZE = (48, 80)
FRAME = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
LOGGER = logging.getLogger("switch")


class SlowEngine(TorchEngine):
    """PyTorch, slower by more than any load of the machine."""

    def segment(self, *arguments: Any) -> list[SegmentationResult]:
        time.sleep(0.3)
        return super().segment(*arguments)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every update polls; the engine that is built has two rounds to win."""
    monkeypatch.setattr(engine_switcher, "POLL_PERIOD_S", 0.0)
    monkeypatch.setattr(switching, "ROUNDS", 2)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, where measurements are kept, as on an idle machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_measurements, "oversubscription", lambda: "")
    return tmp_path / "cache"


@pytest.fixture
def source(random_weights: Path, tmp_path: Path) -> Path:
    """The file that the engine's file is built from."""
    return Path(shutil.copy(random_weights, tmp_path / "source.safetensors"))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """The file that the engine opens; missing."""
    return tmp_path / "built.safetensors"


@pytest.fixture
def switch_to(random_weights: Path, source: Path, built: Path) -> Iterator[Callable[..., EngineSwitch]]:
    """Makes the switch to an engine that opens `built`, while another one serves."""
    switches: list[EngineSwitch] = []

    def switch_to(may_build: bool | None, serving: type[TorchEngine] = SlowEngine) -> EngineSwitch:
        planned = EnginePlan("torch", "semantic", "cpu", "fp32", (BuildStep("convert", source, built),))
        engine = SwitchingEngine(serving(random_weights, "semantic", "cpu", "fp32"))
        engine.segment([FRAME], 0.5, 0.5)
        kept = KeptMeasurements(random_weights, "semantic", "cpu")
        leave = None if may_build is None else lambda: may_build
        switches.append(EngineSwitch(planned, SIZE, engine, kept, leave, LOGGER))
        return switches[-1]

    yield switch_to
    for switch in switches:
        switch.close()


def states(switch: EngineSwitch, *ends: EngineState) -> list[EngineState]:
    """Updates until one of the states is reached; returns the states on the way."""
    seen = [switch.state]
    while True:
        switch.update()
        if switch.state is MEASURING:
            switch._serving.segment([FRAME], 0.5, 0.5)
        if switch.state is not seen[-1]:
            seen.append(switch.state)
        if switch.state in ends:
            return seen
        time.sleep(0.02)


@pytest.fixture
def opened_as(source: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[TorchEngine]], None]:
    """Creates the file of the engine, which opens it as this kind."""

    def opened_as(kind: type[TorchEngine]) -> None:
        monkeypatch.setattr(engine_switcher, "open_plan", lambda plan: kind(plan.path, "semantic", "cpu", "fp32"))
        shutil.copy(source, built)

    return opened_as


def serves_fast(switch: EngineSwitch) -> bool:
    """Whether the engine of the switch, not the slow one, has the next frame."""
    return not isinstance(switch._serving.serving(SIZE), SlowEngine)


def test_a_file_that_exists_is_opened(source: Path, built: Path, switch_to: Callable[..., EngineSwitch]) -> None:
    shutil.copy(source, built)
    switch = switch_to(may_build=False)
    assert states(switch, SERVING) == [MISSING, OPENING, MEASURING, SERVING]
    assert (serves_fast(switch), switch.problem) == (True, "")


def test_an_engine_that_is_not_faster_does_not_serve(
    opened_as: Callable, built: Path, switch_to: Callable[..., EngineSwitch], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    opened_as(SlowEngine)
    switch = switch_to(may_build=True, serving=TorchEngine)
    assert states(switch, SLOWER) == [MISSING, OPENING, MEASURING, SLOWER]
    assert (serves_fast(switch), switch.problem) == (True, "")
    pattern = r"frames of 80x48 go to torch fp32; measured: torch fp32 [\d.]+ ms, torch fp32 [3-9]\d\d\.\d ms"
    assert re.fullmatch(pattern, caplog.messages[-1])
    assert measured_times(switch._serving) in caplog.messages[-1]
    for _ in range(3):
        switch.update()
        assert switch.state is SLOWER  # although it may build
    os.utime(built)
    assert states(switch, SLOWER, OPENING) == [SLOWER, OPENING]


def test_what_was_measured_is_not_measured_again(
    opened_as: Callable, source: Path, built: Path, switch_to: Callable[..., EngineSwitch]
) -> None:
    shutil.copy(source, built)
    states(switch_to(may_build=False), SERVING)
    again = switch_to(may_build=False)
    assert states(again, SERVING) == [MISSING, OPENING, SERVING]
    assert serves_fast(again)
    opened_as(SlowEngine)
    os.utime(built, ns=(0, 0))
    states(switch_to(may_build=False, serving=TorchEngine), SLOWER)
    assert states(switch_to(may_build=False, serving=TorchEngine), SLOWER) == [MISSING, SLOWER]  # not even opened


class WrongEngine(TorchEngine):
    """PyTorch with other labels."""

    def segment(self, *arguments: Any) -> list[SegmentationResult]:
        return [replace(result, label_map=result.label_map ^ 1) for result in super().segment(*arguments)]


def test_an_engine_that_disagrees_is_refused(
    opened_as: Callable, switch_to: Callable[..., EngineSwitch], caplog: pytest.LogCaptureFixture
) -> None:
    opened_as(WrongEngine)
    switch = switch_to(may_build=False)
    assert states(switch, REFUSED, SERVING) == [MISSING, OPENING, MEASURING, REFUSED]
    assert not serves_fast(switch)
    assert "ms, but 0.00 % of its labels agree (required: 99.9 %); not retried" in switch.problem
    assert caplog.messages[-1] == switch.problem


def test_a_file_that_is_not_worth_building_is_taken_but_not_asked_for(
    source: Path, built: Path, switch_to: Callable[..., EngineSwitch], caplog: pytest.LogCaptureFixture
) -> None:
    switch = switch_to(may_build=None)
    for _ in range(3):
        switch.update()
    assert (switch.state, switch.problem, caplog.messages) == (MISSING, "", [])
    shutil.copy(source, built)
    assert states(switch, SERVING) == [MISSING, OPENING, MEASURING, SERVING]


def test_a_missing_file_is_built_where_that_is_allowed(
    source: Path, built: Path, switch_to: Callable[..., EngineSwitch], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    switch = switch_to(may_build=True)
    states(switch, BUILDING)
    assert f"torch does not serve yet: `bisenetformer convert {source} {built}` has been running for" in switch.problem
    assert states(switch, SERVING) == [BUILDING, OPENING, MEASURING, SERVING]
    assert (serves_fast(switch), switch.problem) == (True, "")
    assert any(message.startswith(f"wrote random to {built}") for message in caplog.messages)


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
    assert states(switch, SERVING) == [MISSING, OPENING, MEASURING, SERVING]


def test_a_stale_file_is_rebuilt_where_that_is_allowed(built: Path, switch_to: Callable[..., EngineSwitch]) -> None:
    built.write_bytes(b"from another time")
    assert states(switch_to(may_build=True), SERVING) == [
        MISSING,
        OPENING,
        BUILDING,
        OPENING,
        MEASURING,
        SERVING,
    ]


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
    assert states(switch, SERVING) == [REFUSED, OPENING, MEASURING, SERVING]


def test_a_failed_build_is_retried_once_its_input_has_changed(
    random_weights: Path, source: Path, switch_to: Callable[..., EngineSwitch]
) -> None:
    source.write_bytes(b"no weights")
    switch = switch_to(may_build=True)
    states(switch, REFUSED)
    shutil.copy(random_weights, source)
    assert states(switch, SERVING) == [REFUSED, BUILDING, OPENING, MEASURING, SERVING]


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
    assert states(switch, SERVING) == [REFUSED, OPENING, MEASURING, SERVING]


@pytest.fixture
def collects(
    source: Path, built: Path, switch_to: Callable[..., EngineSwitch], leave: list[bool], random_weights: Path
) -> tuple[EngineSwitch, Path]:
    """A switch whose command needs images, and the folder in which it keeps them."""
    switch = switch_to(may_build=True)
    step = BuildStep("convert", source, built, ("IMAGES",))
    switch._plan = EnginePlan("torch", "semantic", "cpu", "fp32", (step,))
    switch._may_build = lambda: leave[-1]
    switch.offer("front", FRAME, 0.0)
    assert states(switch, COLLECTING) == [MISSING, COLLECTING]
    return switch, switch._frames.path


@pytest.fixture
def leave() -> list[bool]:
    """Whether the command may run: the last one counts."""
    return [True]


def collect(switch: EngineSwitch, number: int) -> None:
    """Send frames SPACING_S apart until `number` are kept."""
    stamps = itertools.count(0, SPACING_S)
    stamp = next(stamps)
    while switch._frames.count < number:
        switch.offer("front", FRAME, stamp)
        if switch._frames.count * SPACING_S > stamp:
            stamp = next(stamps)


def test_frames_are_collected_then_the_command_gets_their_folder_and_they_are_deleted(
    collects: tuple[EngineSwitch, Path], caplog: pytest.LogCaptureFixture
) -> None:
    switch, folder = collects
    collect(switch, NUM_FRAMES - 1)
    switch.update()
    words = f"kept to calibrate it, {NUM_FRAMES} of them at intervals of {SPACING_S:g} s, "
    assert f"{words}{NUM_FRAMES - 1} so far" in switch.problem
    (record,) = caplog.get_records("setup")
    assert f"{words}0 so far" in record.getMessage()
    assert caplog.messages == []  # one line, however many frames
    collect(switch, NUM_FRAMES)
    assert states(switch, REFUSED) == [COLLECTING, BUILDING, REFUSED]  # convert takes no images
    assert f"unrecognized arguments: {folder}" in switch.problem
    assert not folder.exists()
    assert states(switch, REFUSED) == [REFUSED]


def test_frames_are_deleted_without_leave_with_a_file_built_by_hand_and_at_the_end(
    collects: tuple[EngineSwitch, Path], leave: list[bool], source: Path, built: Path
) -> None:
    switch, folder = collects
    leave.append(False)
    assert states(switch, MISSING) == [COLLECTING, MISSING]
    assert not folder.exists()
    assert "so far" not in switch.problem
    leave.append(True)
    states(switch, COLLECTING)
    folder = switch._frames.path
    switch.close()
    assert not folder.exists()
    states(switch, COLLECTING)
    folder = switch._frames.path
    shutil.copy(source, built)
    assert states(switch, SERVING) == [COLLECTING, OPENING, MEASURING, SERVING]
    assert not folder.exists()


def test_frames_that_cannot_be_kept_are_a_problem(collects: tuple[EngineSwitch, Path]) -> None:
    switch, folder = collects
    folder.rmdir()
    while not switch._frames.problem:
        switch.offer("front", FRAME, 0.0)
    states(switch, REFUSED)
    assert f"no frames can be kept to calibrate it: cannot write {folder}" in switch.problem
    assert states(switch, REFUSED) == [REFUSED]  # and so it stays


def test_without_a_folder_for_frames_nothing_is_collected(
    source: Path, built: Path, switch_to: Callable[..., EngineSwitch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    switch = switch_to(may_build=True)
    step = BuildStep("convert", source, built, ("IMAGES",))
    switch._plan = EnginePlan("torch", "semantic", "cpu", "fp32", (step,))
    assert states(switch, REFUSED) == [MISSING, REFUSED]
    assert "no frames can be kept to calibrate it: [Errno 20] Not a directory" in switch.problem
    assert "cannot be written: set the parameter cache_dir" in switch.problem


def test_an_engine_in_int8_that_is_slower_is_reported(
    opened_as: Callable, switch_to: Callable[..., EngineSwitch]
) -> None:
    opened_as(SlowEngine)
    switch = switch_to(may_build=True, serving=TorchEngine)
    switch._plan = replace(switch._plan, precision="int8")
    states(switch, SLOWER)
    assert re.match(r"no engine serves in int8: it works, but .* \(measured: torch fp32 .* ms\); set", switch.problem)


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


def test_int8_without_any_engine_for_it_is_a_problem(
    segmenter: Segmenter, random_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "find_spec", lambda name: None)
    switcher = EngineSwitcher(segmenter, random_weights, "int8", 1, lambda: False, LOGGER)
    for _ in range(MIN_FRAMES):
        segmenter(np.zeros((*SIZE, 3), np.uint8))
    switcher.update()
    assert switcher.problem == "precision int8 needs openvino or onnxruntime, and none is installed"


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
