"""Everything that a run of the demo found out."""

from dataclasses import asdict, dataclass
from typing import Any

from bisenetformer_ros.evaluation.replay_scores import Scores
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.numbers import without_nan
from bisenetformer_ros.replay.footage import Footage
from bisenetformer_ros.replay.recording import INPUT_TOPIC, FrameCount, Recording
from bisenetformer_ros.replay.session import DemoSettings


@dataclass(frozen=True, eq=False)
class Outcome:
    """scores: None for the reason in `why_no_scores`. command: what was typed."""

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
        """What the node says about its model: model, engine, device, precision, task, label_map."""
        status = self.recording.status("model")
        names = ("model", "engine", "device", "precision", "task", "label_map")
        return {name: status["values"].get(name, "") for name in names} if status else {}

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the camera."""
        return self.recording.opened["height"], self.recording.opened["width"]

    def diagnostics(self) -> list[tuple[str, str]]:
        """(name, message) of the last statuses while the camera played."""
        return [(name, status["message"]) for name, status in self.recording.statuses_playing.items()]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: milliseconds, shares of 0..1, null for what was not measured."""
        count, recording = self.count, self.recording
        status = recording.status(INPUT_TOPIC)
        return without_nan(
            {
                "command": self.command,
                "settings": asdict(self.settings),
                "source": self.footage.description,
                "image_size": self.image_size,
                "node": self.node,
                "frames": {"sent": count.sent, "received": count.received, "dropped": dict(count.dropped)},
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
