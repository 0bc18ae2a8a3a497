"""Pairs the outputs of the segmentation node with depth images by their stamps. Independent of ROS."""

from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from bisenetformer_ros.images.stamps import frame_period

MASK, DEPTH = "mask", "depth"
MAX_RESULTS = 10
"""Results that wait for missing parts or for depth."""
MAX_DEPTH_IMAGES = 60
"""Depth images that wait while the segmentation works on the colour image: 2 s at 30 Hz."""
PERIOD_STAMPS = 20
SAME_STAMP = "same_stamp"


@dataclass(frozen=True)
class Pair:
    """One result of the segmentation node with its depth image.

    Attributes:
        parts: Topic → message, all of the same stamp; `mask` is one of them.
        depth: The depth image.
    """

    parts: Mapping[str, Any]
    depth: Any


class StampPairing:
    """Pairs each result with the depth image of its stamp, else with the nearest one within half a period.

    The period is the shorter one of masks and depth images; until both are known, stamps have to be equal. Every
    message is used once.
    """

    def __init__(self, unpaired: Callable[[str, str], None]) -> None:
        """unpaired: Called for every message that finds no partner, with its topic and the reason.

        The reason is `no_TOPIC` for the topic that it missed, `same_stamp` if a later message of its topic had its
        stamp, or that of `clear`.
        """
        self._unpaired = unpaired
        self._results: dict[int, dict[str, Any]] = {}  # stamp → topic → message, in the order of arrival
        self._depths: dict[int, Any] = {}
        self._stamps = {topic: deque[float](maxlen=PERIOD_STAMPS) for topic in (MASK, DEPTH)}

    @property
    def tolerance_ns(self) -> int:
        """Maximum difference of the stamps of a pair."""
        periods = [frame_period(stamps) for stamps in self._stamps.values()]
        return int(min(period or 0.0 for period in periods) / 2 * 1e9)

    def add(self, topic: str, stamp_ns: int, message: Any, needed: Set[str]) -> Pair | None:
        """Add a message.

        Args:
            topic: `mask`, `depth`, or another one of `needed`.
            stamp_ns: Its stamp.
            message: The message.
            needed: The topics that make up a result.

        Returns:
            The pair that is complete now, if any.
        """
        if topic in self._stamps:
            self._stamps[topic].append(stamp_ns * 1e-9)
        if topic == DEPTH:
            if stamp_ns in self._depths:
                self._unpaired(DEPTH, SAME_STAMP)
            self._depths[stamp_ns] = message
            self._discard_depths(len(self._depths) - MAX_DEPTH_IMAGES)
        else:
            parts = self._results.setdefault(stamp_ns, {})
            if topic in parts:
                self._unpaired(topic, SAME_STAMP)
            parts[topic] = message
        pair = self._match(needed)
        self._discard_results(len(self._results) - MAX_RESULTS, needed)
        return pair

    def clear(self, reason: str) -> None:
        """Forget all messages, unpaired for this reason, and the periods."""
        waiting = [topic for parts in self._results.values() for topic in parts] + [DEPTH] * len(self._depths)
        self._results.clear()
        self._depths.clear()
        for topic in waiting:
            self._unpaired(topic, reason)
        for stamps in self._stamps.values():
            stamps.clear()

    def _match(self, needed: Set[str]) -> Pair | None:
        complete = [stamp for stamp, parts in self._results.items() if needed <= parts.keys()]
        tolerance = self.tolerance_ns if complete and complete[-1] not in self._depths else 0
        for stamp in reversed(complete):
            nearest = min(self._depths, key=lambda depth: abs(depth - stamp), default=None)
            if nearest is None or abs(nearest - stamp) > tolerance:
                continue
            # Older messages would pair now or never.
            self._discard_results(list(self._results).index(stamp), needed)
            self._discard_depths(list(self._depths).index(nearest))
            return Pair(self._results.pop(stamp), self._depths.pop(nearest))
        return None

    def _discard_results(self, count: int, needed: Set[str]) -> None:
        """Discard the results that arrived first."""
        for stamp in list(self._results)[: max(count, 0)]:
            parts = self._results.pop(stamp)
            missing = next((topic for topic in sorted(needed) if topic not in parts), DEPTH)
            for topic in parts:
                self._unpaired(topic, f"no_{missing}")

    def _discard_depths(self, count: int) -> None:
        for stamp in list(self._depths)[: max(count, 0)]:
            del self._depths[stamp]
            self._unpaired(DEPTH, f"no_{MASK}")
