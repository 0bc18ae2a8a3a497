"""Frames sent and results received during a replay, joined by stamp."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.images.files import read_pixels, read_rgb
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.messages import FRAME_STAGES
from bisenetformer_ros.metrics.latency import LatencySummary, summarize
from bisenetformer_ros.replay.processes import Event
from bisenetformer_ros.results import Segment, SegmentationResult

OUTPUTS = ("mask", "confidence", "panoptic", "segments", "detections", "latency")
"""The node's topics with one message per frame."""

INPUT_TOPIC = "/camera/image_raw"


class ReplayError(BiSeNetFormerError):
    """A replay failed; the message explains why as far as it is known."""


@dataclass(frozen=True)
class FrameCount:
    """Where the frames of a replay ended up: sent = received + sum of dropped.

    Attributes:
        sent: Frames that the camera published.
        received: Frames whose mask reached the listener.
        dropped: Reason → number of the other frames.
    """

    sent: int
    received: int
    dropped: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"sent": self.sent, "received": self.received, "dropped": dict(self.dropped)}


@dataclass
class Recording:
    """The events of a replay.

    Attributes:
        directory: Folder of the images that the listener writes.
        opened: Height, width, frames and frame_id of the camera, and notes on its source; empty until it has opened it.
        finished: Whether the camera has sent all frames.
        refusal: Why the camera cannot play its source.
        sent: Stamp in ns → name of the frame.
        outputs: Topic → stamp → event.
        statuses: Name → latest diagnostic status.
        statuses_playing: Name → latest diagnostic status that arrived while the camera was playing.
    """

    directory: Path
    opened: Event = field(default_factory=dict)
    finished: bool = False
    refusal: str = ""
    sent: dict[int, str] = field(default_factory=dict)
    outputs: dict[str, dict[int, Event]] = field(default_factory=lambda: {name: {} for name in ("camera", *OUTPUTS)})
    statuses: dict[str, Event] = field(default_factory=dict)
    statuses_playing: dict[str, Event] = field(default_factory=dict)
    _labels: LabelMap | None = None

    def add(self, event: Event) -> None:
        """Add an event of the camera or the listener."""
        kind = event["event"]
        if kind == "opened":
            self.opened = event
        elif kind == "finished":
            self.finished = True
        elif kind == "refused":
            self.refusal = event["reason"]
        elif kind == "sent":
            self.sent[event["stamp"]] = event["name"]
        elif kind == "label_map":
            self._labels = LabelMap.from_dict({"labels": event["labels"]}, default_name="the model's labels")
        elif kind == "diagnostics":
            self.statuses = {status["name"]: status for status in event["statuses"]}
            if not self.finished:
                self.statuses_playing = self.statuses
        else:
            self.outputs[kind][event["stamp"]] = event

    @property
    def labels(self) -> LabelMap:
        """The node's classes. Raises ReplayError if its label map has not arrived."""
        if self._labels is None:
            raise ReplayError("no label map arrived from the node")
        return self._labels

    def status(self, name: str) -> Event | None:
        """Return the node's latest status of `name`: "model", or the topic of its raw input images."""
        found = (s for key, s in self.statuses.items() if key.removesuffix("/compressed").endswith(f": {name}"))
        return next(found, None)

    def count(self) -> FrameCount:
        """Count frames by the node's reasons for dropping them, or by where they were lost."""
        status = self.status(INPUT_TOPIC)
        values = status["values"] if status else {}
        prefix = "dropped."
        dropped = {key.removeprefix(prefix): int(count) for key, count in values.items() if key.startswith(prefix)}
        received = len(self.sent.keys() & self.outputs["mask"].keys())
        arrived, segmented = int(values.get("total_received_frames", 0)), int(values.get("total_segmented_frames", 0))
        segmented = max(segmented, received)  # the counters are published periodically and lag behind
        arrived = max(arrived, segmented + sum(dropped.values()))
        dropped |= {
            "lost between camera and node": len(self.sent) - arrived,
            "not finished by the node": arrived - segmented - sum(dropped.values()),
            "lost between node and listener": segmented - received,
        }
        return FrameCount(len(self.sent), received, {reason: count for reason, count in dropped.items() if count})

    def dropped_by_node(self) -> int:
        """Return the number of frames that the node reports as dropped."""
        status = self.status(INPUT_TOPIC)
        return int(status["values"]["total_dropped_frames"]) if status else 0

    def all_accounted_for(self) -> bool:
        """Return whether every frame sent has come back or was dropped by the node."""
        return len(self.sent) == len(self.outputs["mask"]) + self.dropped_by_node()

    def rate_hz(self) -> float:
        """Return the rate of results at the listener in Hz; 0 with fewer than two results."""
        arrivals = sorted(stamp / 1e9 + event["age_ms"] / 1e3 for stamp, event in self.outputs["mask"].items())
        return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) if len(arrivals) > 1 else 0.0

    def strays(self) -> list[str]:
        """List outputs whose stamp or frame_id match no camera frame; a correct node has none."""
        frame_id = self.opened.get("frame_id")
        return [
            f"{topic} with stamp {stamp} and frame_id '{values['frame_id']}'"
            for topic in OUTPUTS
            for stamp, values in self.outputs[topic].items()
            if stamp not in self.sent or values["frame_id"] != frame_id
        ]

    def complete(self) -> list[int]:
        """Return the stamps, in order, of frames whose camera image and mask have arrived."""
        return sorted(self.sent.keys() & self.outputs["camera"].keys() & self.outputs["mask"].keys())

    def latencies(self) -> dict[str, LatencySummary]:
        """Summarize each stage, the node's `total`, and `age`, the time from camera stamp to mask at the listener."""
        latency, masks = self.outputs["latency"].values(), self.outputs["mask"]
        samples = {name: [event["stages"][name] for event in latency] for name in (*FRAME_STAGES, "total")}
        samples["age"] = [masks[stamp]["age_ms"] for stamp in self.sent if stamp in masks]
        return {name: summarize(values) for name, values in samples.items()}

    def camera_rgb(self, stamp: int) -> np.ndarray:
        """Return the camera image of a frame, (H, W, 3) uint8."""
        return read_rgb(self.directory / f"{stamp}.camera.jpg")

    def map(self, topic: str, stamp: int) -> np.ndarray:
        """Return the pixels of "mask", "confidence" or "panoptic", (H, W) uint8 or uint16."""
        return read_pixels(self.directory / f"{stamp}.{topic}.png")

    def has_segments(self, stamp: int) -> bool:
        """Return whether both panoptic map and segments of a frame have arrived."""
        return stamp in self.outputs["panoptic"] and stamp in self.outputs["segments"]

    def result(self, stamp: int) -> SegmentationResult:
        """Assemble the node's result of a frame; semantic unless both panoptic map and segments have arrived."""
        label_map = self.map("mask", stamp)
        has_confidence = stamp in self.outputs["confidence"]
        confidence = self.map("confidence", stamp) if has_confidence else np.zeros_like(label_map)
        if not self.has_segments(stamp):
            return SegmentationResult(label_map, confidence)
        segments = tuple(
            Segment(**values | {"box_xyxy": tuple(values["box_xyxy"]), "centroid_xy": tuple(values["centroid_xy"])})
            for values in self.outputs["segments"][stamp]["segments"]
        )
        return SegmentationResult(label_map, confidence, self.map("panoptic", stamp), segments)
