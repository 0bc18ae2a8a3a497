"""Faster engines for the sizes of the incoming frames, built and opened while the node works with another engine."""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bisenetformer_ros.errors import BiSeNetFormerError, EngineError
from bisenetformer_ros.in_thread import in_thread
from bisenetformer_ros.inference.calibration_frames import (
    NUM_FRAMES,
    SPACING_S,
    CalibrationFrames,
    remove_abandoned_frames,
)
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.kept_measurements import KeptMeasurements
from bisenetformer_ros.inference.engines.measuring import Candidate, EngineTiming, fastest
from bisenetformer_ros.inference.engines.opening import open_plan
from bisenetformer_ros.inference.engines.plan import (
    FILE_ENGINES,
    BuildStep,
    EnginePlan,
    build_command,
    find_worth_building,
    plan_files,
)
from bisenetformer_ros.inference.engines.switching import SwitchingEngine, Trial, engine_key
from bisenetformer_ros.inference.graph.cache import cache_problem
from bisenetformer_ros.ros.node.engine_builder import STOP_WITHIN_S, EngineBuilder
from bisenetformer_ros.segmenter import Segmenter

POLL_PERIOD_S = 5.0
"""How often a file built by hand is looked for."""
MIN_FRAMES = 5
"""An engine is looked for once this many frames of a size have arrived."""
MAX_SIZES = 3
"""Further sizes of a camera that keeps changing its size stay with the engine for all sizes."""
GREY = 128


class EngineState(Enum):
    """How far the engine for one frame size is from serving; the value says why."""

    MISSING = "its file does not exist"
    STALE = "its file cannot be opened: damaged, or built for another machine"
    REFUSED = "its file could not be built, or does not work although it was: not retried until the input changes"
    COLLECTING = "frames of the camera are kept to calibrate it"
    BUILDING = "a command builds its file"
    OPENING = "its file is being opened"
    MEASURING = "it is open and warm, and runs beside the serving engine"
    SLOWER = "it works, but the serving engine is not slower here: not opened again until its file changes"
    SERVING = "it is faster"


WAITING = (
    EngineState.MISSING,
    EngineState.STALE,
    EngineState.REFUSED,
    EngineState.COLLECTING,
    EngineState.SLOWER,
)
"""The states that wait for a file built by hand, for leave to build it, or for the frames that this needs."""


class Logger(Protocol):
    """What this module needs of a node's logger."""

    def info(self, message: str) -> Any: ...
    def warning(self, message: str) -> Any: ...


class EngineSwitch:
    """Brings the engine of one plan into service if it is faster than the one that serves.

    Attributes:
        state: The current state; SERVING is final.
    """

    def __init__(
        self,
        plan: EnginePlan,
        frame_size: tuple[int, int],
        serving: SwitchingEngine,
        kept: KeptMeasurements,
        may_build: Callable[[], bool] | None,
        logger: Logger,
    ) -> None:
        """
        Args:
            plan: For frames of (height, width) `frame_size`.
            serving: Segments the frames.
            kept: Measurements of earlier runs.
            may_build: Whether commands may be run now; None for a file that is not worth building or reporting.
            logger: Gets each problem once and, from another thread, the output of commands.
        """
        self.state = EngineState.MISSING
        self._plan, self._frame_size = plan, frame_size
        self._serving, self._kept = serving, kept
        self._may_build, self._logger = may_build, logger
        self._reason, self._warned = f"{plan.path.name} is missing", ""
        self._poll_at = self._started_at = 0.0
        self._opened: int | None = None
        """When the file that was opened last had been modified."""
        self._built: dict[BuildStep, int | None] = {}
        """Step that was run → when its source had been modified."""
        self._opening: Future[Engine] | None = None
        self._trial: Trial | None = None
        self._builder: EngineBuilder | None = None
        self._frames: CalibrationFrames | None = None

    @property
    def problem(self) -> str:
        """Why the engine does not serve yet and what to do; empty if there is nothing to do."""
        plan = self._plan
        if self.state is EngineState.SERVING or self._may_build is None:
            return ""
        if self.state is EngineState.SLOWER:
            if plan.precision in ("auto", self._serving.serving(self._frame_size).precision):
                return ""
            return f"no engine serves in {plan.precision}: {self._reason}; set precision to auto to accept that"
        text = f"{plan.engine} does not serve yet: {self._reason}"
        if self._frames is not None and self.state is EngineState.COLLECTING:
            return f"{text}, {NUM_FRAMES} of them at intervals of {SPACING_S:g} s, {self._frames.count} so far"
        if self.state is EngineState.BUILDING:
            return f"{text} has been running for {time.monotonic() - self._started_at:.0f} s"
        if self.state in (EngineState.OPENING, EngineState.MEASURING):
            return text
        if self.state is EngineState.REFUSED:
            text += "; not retried: fix the cause, then run the command or configure the node again"
        else:
            text += f"; run {plan.build_command()}, or set build_engine to have the node do it"
        unusable = cache_problem()
        return f"{text}; {unusable}" if unusable else text

    def update(self) -> None:
        """Go to the next state if its time has come. Call it periodically in the main thread; it does not wait."""
        if self._opening is not None and self.state is EngineState.OPENING:
            self._check_opening(self._opening)
        elif self._trial is not None and self.state is EngineState.MEASURING:
            self._check_trial(self._trial)
        elif self._builder is not None and self.state is EngineState.BUILDING:
            self._check_build(self._builder)
        if self.state in WAITING and time.monotonic() >= self._poll_at:
            self._poll_at = time.monotonic() + POLL_PERIOD_S
            self._poll()
        if self.state in WAITING and self.problem and self._reason != self._warned:
            self._warned = self._reason
            self._logger.warning(self.problem)

    def offer(self, camera: Hashable, rgb: np.ndarray, stamp_s: float) -> None:
        """See `CalibrationFrames.offer`; ignored unless frames are collected."""
        frames = self._frames  # which the main thread may drop
        if frames is not None:
            frames.offer(camera, rgb, stamp_s)

    def close(self) -> None:
        """Stop what is running, within a few times STOP_WITHIN_S."""
        if self._builder is not None:
            self._builder.stop()
        self._drop_frames()
        if self._opening is not None:
            wait([self._opening], STOP_WITHIN_S)

    def _poll(self) -> None:
        modified = _modified_ns(self._plan.path)
        if modified is not None and modified != self._opened:
            self._opened = modified
            self._drop_frames()
            kept = self._read_kept()
            if kept and fastest(kept).key != self._plan.key:
                self._serving.note(self._frame_size, kept)
                self._finish(EngineState.SLOWER, kept)
                return
            self._opening = in_thread(self._open_warm, f"opening {self._plan.engine}")
            self.state, self._reason = EngineState.OPENING, f"{self._plan.path.name} is being opened"
        elif self._may_build is None or self.state is EngineState.SLOWER:
            return
        elif self._may_build():
            self._build(self._plan.pending()[0])
        elif self.state is EngineState.COLLECTING:  # the leave was withdrawn
            self._drop_frames()
            self.state, self._reason = EngineState.MISSING, f"{self._plan.path.name} is missing"

    def _build(self, step: BuildStep) -> None:
        command, modified = build_command([step]), _modified_ns(step.source)
        if step in self._built and self._built[step] == modified:
            if self.state is not EngineState.REFUSED:
                self._refuse(f"{command} did not help: {self._reason}")
            return
        problem, frames = step.problem(), None
        if step.needs_images and not problem:
            frames, problem = self._collect()
            if frames is None and not problem:
                return
        self._built[step] = modified
        if problem:
            self._refuse(problem)
            return
        try:
            self._builder = EngineBuilder((step.with_images(frames) if frames else step).arguments, self._logger.info)
        except OSError as error:  # no room for another process
            self._refuse(f"{command} could not be started: {error}")
            return
        self.state, self._reason, self._started_at = EngineState.BUILDING, command, time.monotonic()

    def _collect(self) -> tuple[Path | None, str]:
        """Have frames of the camera collected; return their folder once they are complete, and why they cannot be."""
        try:
            self._frames = self._frames or CalibrationFrames()
        except OSError as error:
            return None, f"no frames can be kept to calibrate it: {error}"
        if self._frames.problem:
            return None, f"no frames can be kept to calibrate it: {self._frames.problem}"
        self.state, self._reason = EngineState.COLLECTING, EngineState.COLLECTING.value
        return self._frames.path if self._frames.is_complete else None, ""

    def _drop_frames(self) -> None:
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.remove()

    def _refuse(self, reason: str) -> None:
        self._drop_frames()
        self.state, self._reason = EngineState.REFUSED, reason

    def _check_build(self, builder: EngineBuilder) -> None:
        code = builder.exit_code()
        if code is not None:
            self._drop_frames()
        if code == 0:
            self.state, self._reason = EngineState.MISSING, f"{self._plan.path.name} is missing"
            self._poll_at = 0.0
        elif code is not None:
            ending = f"exit code {code}" if code > 0 else f"signal {-code}"
            self._refuse(f"{self._reason} failed with {ending}: {builder.last_lines()}")

    def _open_warm(self) -> Engine:
        engine = open_plan(self._plan)
        engine.segment([np.full((*self._frame_size, 3), GREY, np.uint8)], 0.5, 0.5)
        return engine

    def _check_opening(self, opening: "Future[Engine]") -> None:
        if not opening.done():
            return
        error = opening.exception()
        if error is None:
            self._measure(opening.result())
            return
        is_ours = isinstance(error, BiSeNetFormerError)
        self.state, self._reason = EngineState.STALE, str(error) if is_ours else f"{type(error).__name__}: {error}"
        self._poll_at = 0.0

    def _read_kept(self) -> tuple[EngineTiming, ...]:
        serving = self._serving.serving(self._frame_size)
        return self._kept.read(self._frame_size, [engine_key(serving), self._plan.key])

    def _measure(self, engine: Engine) -> None:
        """Measure the open engine on the next frames, or let it serve if kept measurements say so."""
        if kept := self._read_kept():
            self._serving.serve(self._frame_size, engine, kept)
            self._finish(EngineState.SERVING, kept)
            return
        self._trial = Trial(Candidate(self._plan.key, lambda: engine))
        self._serving.try_out(self._frame_size, self._trial)
        self.state, self._reason = EngineState.MEASURING, "it is measured beside the engine that serves"

    def _check_trial(self, trial: Trial) -> None:
        if not trial.is_over:
            return
        self._trial = None
        if trial.problem:
            self._refuse(trial.problem)
            return
        self._kept.keep(self._frame_size, trial.measurements)
        if not trial.measurements[-1].agrees:
            self._refuse(str(trial.measurements[-1]))
        else:
            self._finish(EngineState.SERVING if trial.is_won else EngineState.SLOWER, trial.measurements)

    def _finish(self, state: EngineState, measured: tuple[EngineTiming, ...]) -> None:
        times = ", ".join(map(str, measured))
        self.state, self._reason = state, f"{state.value} (measured: {times})"
        height, width = self._frame_size
        self._logger.info(f"frames of {width}x{height} go to {fastest(measured).label}; measured: {times}")


class EngineSwitcher:
    """Gives the segmenter faster engines as they become ready, one per frame size."""

    def __init__(
        self,
        segmenter: Segmenter,
        weights: Path,
        precision: str,
        num_cameras: int,
        may_build: Callable[[], bool],
        logger: Logger,
    ) -> None:
        """
        Args:
            segmenter: Its engine, which takes frames of any size, is wrapped.
            weights: File that the segmenter runs.
            precision: As the node was asked for.
            num_cameras: Most frames that arrive together.
            may_build, logger: See `EngineSwitch`.
        """
        self._general = segmenter.engine
        segmenter.engine = self._engine = SwitchingEngine(segmenter.engine)
        self._weights, self._precision, self._num_cameras = weights, precision, num_cameras
        self._may_build, self._logger = may_build, logger
        self._switches: dict[tuple[int, int], list[EngineSwitch]] = {}
        self._no_engine = ""
        remove_abandoned_frames()

    @property
    def problem(self) -> str:
        """Why faster engines do not serve yet and what to do; empty if there is nothing to do."""
        return "; ".join(filter(None, (self._no_engine, *(switch.problem for switch in self._all()))))

    def update(self) -> None:
        """See `EngineSwitch.update`."""
        for size, count in self._engine.frame_counts.copy().items():
            if count >= MIN_FRAMES and size not in self._switches and len(self._switches) < MAX_SIZES:
                self._switches[size] = self._plan(size)
        for switch in self._all():
            if switch.state is not EngineState.SERVING:
                switch.update()

    def offer(self, camera: Hashable, rgb: np.ndarray, stamp_s: float) -> None:
        """Take a frame that is about to be segmented, in case it is needed for a calibration.

        Returns at once; call it in one thread. See `CalibrationFrames.offer` for the arguments.
        """
        for switch in self._switches.get(rgb.shape[:2], ()):
            switch.offer(camera, rgb, stamp_s)

    def close(self) -> None:
        """Stop what is running."""
        for switch in self._all():
            switch.close()

    def _all(self) -> list[EngineSwitch]:
        return [switch for switches in self._switches.values() for switch in switches]

    def _plan(self, frame_size: tuple[int, int]) -> list[EngineSwitch]:
        general, cameras = self._general, self._num_cameras
        worth_building = find_worth_building(general.device)
        try:
            plans = plan_files(self._weights, general.task, general.device, self._precision, frame_size, cameras)
            kept = KeptMeasurements(self._weights, general.task, general.device)
        except (EngineError, OSError) as error:
            self._logger.warning(f"no faster engine can be looked for: {error}")
            return []
        if self._precision == "int8":  # PyTorch has none, so any engine for it is worth a file
            worth_building = plans[0].engine if plans else ""
            names = " or ".join(FILE_ENGINES[general.device.partition(":")[0]])
            self._no_engine = "" if plans else f"precision int8 needs {names}, and none is installed"
        return [
            EngineSwitch(
                plan,
                frame_size,
                self._engine,
                kept,
                self._may_build if plan.engine == worth_building else None,
                self._logger,
            )
            for plan in plans
        ]


def _modified_ns(path: Path) -> int | None:
    """Time of the last modification in ns; None if the file does not exist or cannot be seen."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
