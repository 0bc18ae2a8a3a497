"""The live route: a bag through the node over DDS, and whether it gives what the direct route gives."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.bags.images import COMPRESSED, IMAGE_DECODERS
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.evaluation.bag_frames import FrameRecord
from bisenetformer_ros.numbers import without_nan
from bisenetformer_ros.replay.recording import Recording
from bisenetformer_ros.replay.session import DemoSession, Player
from bisenetformer_ros.results import SegmentationResult


@dataclass(frozen=True)
class Difference:
    """pixels: how many differ, of the output `topic` of the frame `name`."""

    name: str
    topic: str
    pixels: int


def play_bag(
    path: Path,
    topic: str,
    rate: float | str,
    node_parameters: Mapping[str, Any],
    directory: Path,
    log_directory: Path,
    on_news: Callable[[Recording], None],
) -> Recording:
    """Player, node and listener as processes on a graph of their own; what the node answered lies in `directory`.

    rate: a factor, 1 = as recorded, or "lockstep". Raises ConfigError without ROS 2, InputError if the bag cannot be
    played, DemoError if a process ends early or no results come.
    """
    with Bag(path) as bag:
        kind = bag.find(topic, IMAGE_DECODERS, "--image-topic").type
    parameters = {**node_parameters, "image_transport": "compressed" if kind == COMPRESSED else "raw"}
    player = Player("bisenetformer_ros.ros.replay.bag_player", [str(path), "--topic", topic, "--rate", str(rate)])
    session = DemoSession(player, parameters, directory, log_directory)
    return session.run(on_news)


class RouteComparison:
    """Compares the results of the direct route with those of the live route as they come."""

    def __init__(self, recording: Recording, rate: float | str) -> None:
        self.recording = recording
        self.rate = rate
        self.compared: Counter[str] = Counter()
        self.differences: list[Difference] = []
        self._stamps = {name: stamp for stamp, name in recording.sent.items()}

    def add(self, frame: FrameRecord, result: SegmentationResult) -> None:
        """Takes every output of the frame that came back."""
        stamp = self._stamps.get(frame.name)
        maps = {"mask": result.label_map, "confidence": result.confidence, "panoptic": result.panoptic_map}
        for topic, expected in maps.items():
            if stamp is None or expected is None or stamp not in self.recording.outputs[topic]:
                continue
            received = self.recording.map(topic, stamp)
            pixels = expected.size if received.shape != expected.shape else int(np.sum(received != expected))
            self.compared[topic] += 1
            if pixels:
                self.differences.append(Difference(frame.name, topic, pixels))

    @property
    def identical(self) -> bool:
        """Whether there was something to compare, and no difference."""
        return bool(self.compared["mask"]) and not self.differences

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        count = self.recording.count()
        return without_nan(
            {
                "rate": self.rate,
                "frames": {"sent": count.sent, "received": count.received, "dropped": dict(count.dropped)},
                "latency_ms": {name: vars(summary) for name, summary in self.recording.latencies().items()},
                "identical": self.identical,
                "compared": dict(self.compared),
                "differences": [vars(difference) for difference in self.differences],
            }
        )
