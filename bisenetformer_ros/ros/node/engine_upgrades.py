"""Faster engines for the sizes of the frames that come, while the node works with the engine that it has."""

from collections.abc import Callable
from pathlib import Path

from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.by_frame_size import EngineByFrameSize
from bisenetformer_ros.inference.engines.upgrades import find_upgrade
from bisenetformer_ros.ros.node.engine_upgrade import EngineUpgrade
from bisenetformer_ros.segmenter import Segmenter

MIN_FRAMES = 5
"""So many frames of a size have to come before an engine is looked for."""
MAX_SIZES = 3
"""A camera that changes its size all the time is left to the engine for all sizes."""


class EngineUpgrades:
    """Hands engines to the segmenter as they become ready. problem: what is in the way of that, for people."""

    def __init__(
        self,
        segmenter: Segmenter,
        weights: Path,
        precision: str,
        may_build: Callable[[], bool],
        log: Callable[[str], None],
    ) -> None:
        """segmenter: its engine, which takes frames of any size, gets company. For the rest see EngineUpgrade."""
        segmenter.engine = self._engine = EngineByFrameSize(segmenter.engine)
        self._weights, self._precision = weights, precision
        self._may_build, self._log = may_build, log
        self._upgrades: dict[tuple[int, int], EngineUpgrade | None] = {}

    @property
    def problem(self) -> str:
        return "; ".join(upgrade.problem for upgrade in self._upgrades.values() if upgrade and upgrade.problem)

    def update(self) -> None:
        """To be called now and then, in the main thread; does not wait."""
        for size, count in self._engine.frame_counts.copy().items():
            if count >= MIN_FRAMES and size not in self._upgrades and len(self._upgrades) < MAX_SIZES:
                self._upgrades[size] = self._begin(size)
        for size, upgrade in self._upgrades.items():
            if upgrade is not None and upgrade.engine is None:
                upgrade.update()
                self._hand_over(size, upgrade.engine)

    def close(self) -> None:
        for upgrade in self._upgrades.values():
            if upgrade is not None:
                upgrade.close()

    def _begin(self, frame_size: tuple[int, int]) -> EngineUpgrade | None:
        task, device = self._engine.task, self._engine.device
        upgrade = find_upgrade(self._weights, task, device, self._precision, frame_size)
        return upgrade and EngineUpgrade(upgrade, frame_size, self._may_build, self._log)

    def _hand_over(self, frame_size: tuple[int, int], engine: Engine | None) -> None:
        if engine is not None:
            self._engine.add(frame_size, engine)
            height, width = frame_size
            self._log(f"frames of {width}x{height} go to {engine.name} on {engine.device}, {engine.precision}")
