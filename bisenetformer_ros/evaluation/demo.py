"""What a run of the demo measured: the quality of the node's results against labels, and everything else."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bisenetformer_ros.evaluation.boxes import BoxScores, compare_boxes
from bisenetformer_ros.evaluation.quality import QualityMeter, TrackingMeter, mean_iou_figures, panoptic_figures
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQualityResult
from bisenetformer_ros.metrics.video_quality import VideoQualityResult
from bisenetformer_ros.numbers import without_nan
from bisenetformer_ros.replay.footage import Footage, drive_of
from bisenetformer_ros.replay.recording import INPUT_TOPIC, FrameCount, Recording
from bisenetformer_ros.tasks import task_warning


@dataclass(frozen=True, eq=False)
class Scores:
    """Quality of the results that arrived at the listener.

    Attributes:
        mean_iou: Of ~/mask.
        panoptic_quality: Of ~/panoptic and ~/segments; None if neither arrived for a labelled frame.
        frame_miou: Stamp → mean IoU over the classes in that frame.
        exact_instances: Whether the labels separate touching objects; connected components do not.
        tracking: Of the ids in ~/panoptic; None unless instances are exact and some of these messages arrived.
        boxes: Of the things in ~/panoptic with the true depth; None unless that is known for a frame.
    """

    mean_iou: MeanIoUResult
    panoptic_quality: PanopticQualityResult | None
    frame_miou: dict[int, float]
    exact_instances: bool
    tracking: VideoQualityResult | None
    boxes: BoxScores | None

    def to_dict(self, labels: LabelMap) -> dict[str, Any]:
        """Return plain JSON types; shares of 0..1."""
        content: dict[str, Any] = {"frames": len(self.frame_miou), **mean_iou_figures(self.mean_iou, labels)}
        content["exact_instances"] = self.exact_instances
        if self.panoptic_quality is not None:
            content["panoptic"] = panoptic_figures(self.panoptic_quality, labels)
        if self.tracking is not None:
            content["tracking"] = self.tracking.to_dict()
        if self.boxes is not None:
            content["boxes_3d"] = self.boxes.to_dict()
        return content


def score(recording: Recording, footage: Footage, on_frame: Callable[[], None]) -> tuple[Scores | None, str]:
    """Compare the results of a replay with labels.

    Args:
        recording: The replay.
        footage: What was played.
        on_frame: Called after each frame.

    Returns:
        The scores and "", or None and the reason why there are none.

    Raises:
        DataError: Labels and camera images differ in size.
    """
    truth = footage.truth
    if truth is None:
        return None, "the source has no labels"
    names = tuple(label.name for label in recording.labels)
    if truth.class_names is not None and truth.class_names != names:
        return None, f"the model has the classes {', '.join(names)}, the labels have {', '.join(truth.class_names)}"
    meter, tracks, frame_miou = QualityMeter(recording.labels), TrackingMeter(recording.labels), {}
    boxes = []
    for stamp in sorted(recording.sent.keys() & recording.outputs["mask"].keys()):
        name = recording.sent[stamp]
        labels = truth.load(name, recording.labels)
        if labels is not None:
            result = recording.result(stamp)
            footage.check_size(name, labels[0].shape, result.label_map.shape)
            frame_miou[stamp] = meter.update(name, result, *labels).miou
            if truth.instances is not None:
                tracks.update(result, labels, drive_of(name))
                boxes.append(compare_boxes(stamp, result, labels[1], footage.load_geometry(name)))
        on_frame()
    if not frame_miou:
        return None, "no frame that came back has a label image"
    compared = [frame for frame in boxes if frame is not None]
    scores = Scores(
        meter.mean_iou,
        meter.panoptic_quality,
        frame_miou,
        exact_instances=truth.instances is not None,
        tracking=tracks.result(),
        boxes=BoxScores(compared) if compared else None,
    )
    return scores, ""


@dataclass(frozen=True)
class DemoSettings:
    """The camera's source (see docs/demo.md), rate and maximum number of frames, and parameters of the node."""

    source: str
    topic: str | None
    rate_hz: float
    num_frames: int
    model: str
    task: str
    engine: str


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything that a demo run measured; `scores` is None for the reason in `why_no_scores`."""

    settings: DemoSettings
    footage: Footage
    recording: Recording
    scores: Scores | None
    why_no_scores: str
    command: str

    @property
    def count(self) -> FrameCount:
        return self.recording.count()

    @property
    def node(self) -> dict[str, str]:
        """Values of the node's diagnostics that describe its model; empty if none arrived."""
        status = self.recording.status("model")
        names = ("model", "engine", "device", "precision", "task", "trained_for", "label_map")
        return {name: status["values"].get(name, "") for name in names} if status else {}

    @property
    def task_warning(self) -> str:
        """See `Segmenter.task_warning`."""
        return task_warning(self.node.get("task", ""), self.node.get("trained_for", ""))

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the camera."""
        return self.recording.opened["height"], self.recording.opened["width"]

    def diagnostics(self) -> list[tuple[str, str]]:
        """Return (name, message) of the node's last statuses while the camera was playing."""
        return [(name, status["message"]) for name, status in self.recording.statuses_playing.items()]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: milliseconds, shares of 0..1, null for what was not measured."""
        count, recording = self.count, self.recording
        status = recording.status(INPUT_TOPIC)
        return without_nan(
            {
                "command": self.command,
                "settings": asdict(self.settings),
                "source": self.footage.description,
                "image_size": self.image_size,
                "notes": recording.opened.get("notes", []),
                "node": self.node,
                "task_warning": self.task_warning,
                "frames": count.to_dict(),
                "outputs": {topic: len(events) for topic, events in recording.outputs.items()},
                "strays": recording.strays(),
                "frames_per_second": recording.rate_hz(),
                "latency_ms": {name: vars(summary) for name, summary in recording.latencies().items()},
                "scores": self._scores(),
                "why_no_scores": self.why_no_scores,
                "diagnostics": status["values"] if status else {},
                "machine": describe_machine(),
            }
        )

    def _scores(self) -> dict[str, Any] | None:
        if self.scores is None:
            return None
        by_name = {self.recording.sent[stamp]: miou for stamp, miou in self.scores.frame_miou.items()}
        return self.scores.to_dict(self.recording.labels) | {"frame_miou": by_name}
