"""What was sent and what came back, joined by stamp."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.latency import LatencySummary, summarize
from bisenetformer_ros.replay.processes import Event
from bisenetformer_ros.results import Segment, SegmentationResult

OUTPUTS = ("mask", "confidence", "panoptic", "segments", "detections", "latency")
"""The topics of the node that come once per frame."""

STAGES = ("transport", "decode", "preprocess", "inference", "postprocess", "publish")
"""Where the time of a frame goes, in order. `total` is arrival at the node to published, waiting included."""

INPUT_TOPIC = "/camera/image_raw"


@dataclass(frozen=True)
class FrameCount:
    """Every frame that was sent: `sent` = `received` (its mask reached the listener) + the sum of `dropped`."""

    sent: int
    received: int
    dropped: Mapping[str, int]


@dataclass
class Recording:
    """Grows with every event; `directory` holds the pictures that the recorder wrote.

    refusal: why the camera cannot play its source. sent: stamp in ns → name of the frame. outputs: topic → stamp →
    values. statuses: name → newest diagnostic status; statuses_playing: the same, of the time before the camera was
    done.
    """

    directory: Path
    opened: Event | None = None
    finished: bool = False
    refusal: str = ""
    labels: LabelMap | None = None
    sent: dict[int, str] = field(default_factory=dict)
    outputs: dict[str, dict[int, Event]] = field(default_factory=lambda: {name: {} for name in ("camera", *OUTPUTS)})
    statuses: dict[str, Event] = field(default_factory=dict)
    statuses_playing: dict[str, Event] = field(default_factory=dict)

    def add(self, event: Event) -> None:
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
            self.labels = LabelMap.from_dict({"labels": event["labels"]}, default_name="the model's labels")
        elif kind == "diagnostics":
            self.statuses = {status["name"]: status for status in event["statuses"]}
            if not self.finished:
                self.statuses_playing = self.statuses
        else:
            self.outputs[kind][event["stamp"]] = event

    def status(self, name: str) -> Event | None:
        """The newest status of the node about `name`: its model, or its input by the topic of the raw images."""
        found = (s for key, s in self.statuses.items() if key.removesuffix("/compressed").endswith(f": {name}"))
        return next(found, None)

    def count(self) -> FrameCount:
        """Reasons are the node's own where it dropped a frame, else the part of the way on which it was lost."""
        status = self.status(INPUT_TOPIC)
        values = status["values"] if status else {}
        prefix = "dropped."
        dropped = {key.removeprefix(prefix): int(count) for key, count in values.items() if key.startswith(prefix)}
        received = len(self.sent.keys() & self.outputs["mask"].keys())
        arrived, segmented = int(values.get("total_received_frames", 0)), int(values.get("total_segmented_frames", 0))
        segmented = max(segmented, received)  # the counters come once in a while, and then late
        arrived = max(arrived, segmented + sum(dropped.values()))
        dropped |= {
            "lost between camera and node": len(self.sent) - arrived,
            "not finished by the node": arrived - segmented - sum(dropped.values()),
            "lost between node and listener": segmented - received,
        }
        return FrameCount(len(self.sent), received, {reason: count for reason, count in dropped.items() if count})

    def dropped_by_node(self) -> int:
        status = self.status(INPUT_TOPIC)
        return int(status["values"]["total_dropped_frames"]) if status else 0

    def all_accounted_for(self) -> bool:
        """Whether it is known of every frame sent that it came back or that the node dropped it."""
        return len(self.sent) == len(self.outputs["mask"]) + self.dropped_by_node()

    def rate_hz(self) -> float:
        """Results per second at the listener; 0 with fewer than two."""
        arrivals = sorted(stamp / 1e9 + event["age_ms"] / 1e3 for stamp, event in self.outputs["mask"].items())
        return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) if len(arrivals) > 1 else 0.0

    def strays(self) -> list[str]:
        """Outputs whose stamp or frame_id is of no camera frame; there must be none."""
        frame_id = self.opened["frame_id"] if self.opened else None
        return [
            f"{topic} with stamp {stamp} and frame_id '{values['frame_id']}'"
            for topic in OUTPUTS
            for stamp, values in self.outputs[topic].items()
            if stamp not in self.sent or values["frame_id"] != frame_id
        ]

    def complete(self) -> list[int]:
        """Stamps of the frames of which camera image and mask arrived, in order."""
        return sorted(self.sent.keys() & self.outputs["camera"].keys() & self.outputs["mask"].keys())

    def latencies(self) -> dict[str, LatencySummary]:
        """Milliseconds of every stage, of `total` in the node, and `age`: camera stamp to mask at the listener."""
        samples = {name: [e["stages"][name] for e in self.outputs["latency"].values()] for name in (*STAGES, "total")}
        samples["age"] = [self.outputs["mask"][stamp]["age_ms"] for stamp in self.sent if stamp in self.outputs["mask"]]
        return {name: summarize(values) for name, values in samples.items()}

    def camera_rgb(self, stamp: int) -> np.ndarray:
        """(H, W, 3) uint8."""
        return cv2.cvtColor(cv2.imread(str(self.directory / f"{stamp}.camera.jpg")), cv2.COLOR_BGR2RGB)

    def map(self, topic: str, stamp: int) -> np.ndarray:
        """(H, W) uint8 or uint16 values of mask, confidence or panoptic."""
        return cv2.imread(str(self.directory / f"{stamp}.{topic}.png"), cv2.IMREAD_UNCHANGED)

    def result(self, stamp: int) -> SegmentationResult:
        """What the node said about one frame; semantic unless panoptic map and segments arrived both."""
        confidence = self.map("confidence", stamp) if stamp in self.outputs["confidence"] else None
        label_map = self.map("mask", stamp)
        if confidence is None:
            confidence = np.zeros_like(label_map)
        if stamp not in self.outputs["panoptic"] or stamp not in self.outputs["segments"]:
            return SegmentationResult(label_map, confidence)
        segments = tuple(
            Segment(**values | {"box_xyxy": tuple(values["box_xyxy"]), "centroid_xy": tuple(values["centroid_xy"])})
            for values in self.outputs["segments"][stamp]["segments"]
        )
        return SegmentationResult(label_map, confidence, self.map("panoptic", stamp), segments)
