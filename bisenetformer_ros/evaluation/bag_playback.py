"""Playing a bag through the live node, and comparing the node's results with those of the offline evaluation."""

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
from bisenetformer_ros.replay.session import Player, ReplaySession
from bisenetformer_ros.results import SegmentationResult


@dataclass(frozen=True)
class Difference:
    """An output of the node that differs from the offline result.

    Attributes:
        name: Frame.
        topic: "mask", "confidence" or "panoptic".
        pixels: Number of differing pixels.
    """

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
    """Play an image topic through the node, on a private ROS graph.

    Args:
        path: Bag.
        topic: Image topic.
        rate: Factor on the recorded rate, or "lockstep".
        node_parameters: Parameters of the node.
        directory: Existing folder for the images of the recording.
        log_directory: Existing folder for the logs.
        on_news: Called with the recording several times per second.

    Raises:
        ConfigError: ROS 2 is not available.
        InputError: The bag cannot be played.
        ReplayError: A process ended early, or results stopped arriving.
    """
    with Bag(path) as bag:
        kind = bag.find(topic, IMAGE_DECODERS, "--image-topic").type
    parameters = {
        **node_parameters,
        "image_transport": "compressed" if kind == COMPRESSED else "raw",
        "tracking": False,  # its ids depend on the frames before, some of which the node may drop
    }
    player = Player("bisenetformer_ros.ros.replay.bag_player", [str(path), "--topic", topic, "--rate", str(rate)])
    return ReplaySession(player, parameters, directory, log_directory).run(on_news)


class RouteComparison:
    """Compares the node's results with those of the offline evaluation, frame by frame.

    Attributes:
        recording: The node's results.
        rate: Playback rate.
        compared: Topic → number of compared outputs.
        differences: Outputs that differ.
    """

    def __init__(self, recording: Recording, rate: float | str) -> None:
        self.recording = recording
        self.rate = rate
        self.compared: Counter[str] = Counter()
        self.differences: list[Difference] = []
        self._stamps = {name: stamp for stamp, name in recording.sent.items()}

    def add(self, frame: FrameRecord, result: SegmentationResult) -> None:
        """Compare the outputs of a frame that came back with the offline `result`."""
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
        """Whether masks were compared and no output differs."""
        return bool(self.compared["mask"]) and not self.differences

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return without_nan(
            {
                "rate": self.rate,
                "frames": self.recording.count().to_dict(),
                "latency_ms": {name: vars(summary) for name, summary in self.recording.latencies().items()},
                "identical": self.identical,
                "compared": dict(self.compared),
                "differences": [vars(difference) for difference in self.differences],
            }
        )
