"""Chooses the fastest engine for each frame size: measured once, then kept."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from time import perf_counter
from weakref import WeakValueDictionary

import numpy as np

from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.kept_measurements import KeptMeasurements
from bisenetformer_ros.inference.engines.measuring import BUDGET_S, ROUNDS, Candidate, Run, fastest, measure, vary
from bisenetformer_ros.inference.engines.switching import EngineChoice

MAX_SIZES = 3
"""Frame sizes that are measured. Others of a camera that keeps changing its size go to the usual engine."""

Files = Callable[[tuple[int, int]], tuple[list[Candidate], list[str]]]


def no_files(frame_size: tuple[int, int]) -> tuple[list[Candidate], list[str]]:
    """Return no candidates of a single frame size."""
    return [], []


class FastestChooser:
    """Chooses among engines that are known beforehand and those with a file for the size of the frames.

    Attributes:
        usual: The engine for frames on which nothing is measured: that of the latest choice, also of earlier runs.
    """

    def __init__(
        self,
        kept: KeptMeasurements,
        engines: Mapping[str, Callable[[], Engine]],
        files: Files = no_files,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """Open the usual engine.

        Args:
            kept: Measurements of earlier runs.
            engines: Key, as of `Candidate`, → opens the engine. The first one is the reference, see `measure`.
            files: Returns candidates for frames of (height, width), and why there are no others.
            clock: See `measure`.

        Raises:
            EngineError, ModelError: The engine cannot be opened.
        """
        self._kept, self._engines, self._files, self._clock = kept, engines, files, clock
        self._opened: WeakValueDictionary[str, Engine] = WeakValueDictionary()
        """Engines by key, until no frame size needs them."""
        self._measured: set[tuple[int, int]] = set()
        known = [each for each in kept.latest() if each.key in engines]
        self._is_new = not known
        self.usual = self._open(fastest(known).key if known else next(iter(engines)))

    def measures(self) -> bool:
        """Whether the first frame of a size takes longer because engines are measured on it."""
        return self._is_new and len(self._engines) > 1 and len(self._measured) < MAX_SIZES

    def choose(self, frames: Sequence[np.ndarray], run: Run) -> EngineChoice:
        """Choose for frames of one size; see `SwitchingEngine`."""
        height, width = size = frames[0].shape[:2]
        files, passed_over = self._files((height, width))
        candidates = [*(Candidate(key, partial(self._open, key)) for key in self._engines), *files]
        if len(candidates) == 1:
            return EngineChoice(self.usual, tuple(passed_over))
        if kept := self._kept.read(size, [each.key for each in candidates]):
            openers = {each.key: each.open for each in candidates}
            with suppress(BiSeNetFormerError):  # a file that has been damaged since is measured, which names it
                engine = openers[fastest(kept).key]()
                self._use(engine)
                return EngineChoice(engine, tuple(passed_over), kept)
        is_first = size not in self._measured
        if is_first and len(self._measured) == MAX_SIZES:
            return EngineChoice(self.usual, tuple(passed_over))
        if not vary(frames):
            return EngineChoice(self.usual, tuple(passed_over), is_final=False)
        self._measured.add(size)
        limits = (BUDGET_S, ROUNDS) if is_first else (inf, 1)
        found = measure(candidates, run, *limits, self._clock)
        if found.is_complete:  # else the next frame of the size is the one on which the others are measured
            self._kept.keep(size, found.measurements)
        self._use(found.engine)
        passed_over += found.problems
        return EngineChoice(found.engine, tuple(passed_over), found.measurements, found.is_complete, found.results)

    def _open(self, key: str) -> Engine:
        return self._opened.get(key) or self._opened.setdefault(key, self._engines[key]())

    def _use(self, engine: Engine) -> None:
        if engine in self._opened.values():  # not one of a single size
            self.usual = engine
