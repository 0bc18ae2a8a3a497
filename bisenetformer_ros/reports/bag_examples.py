"""The frames of a drive that are worth a look, segmented once more for their pictures."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bisenetformer_ros.bags.images import bag_images
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.evaluation.bag import BagTopics
from bisenetformer_ros.evaluation.bag_frames import BagEvaluation, FrameRecord
from bisenetformer_ros.evaluation.bag_truth import BagTruth
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class Example:
    """rgb: (H, W, 3) uint8. truth: (H, W) uint8, 255 = ignored; None without labels. before: rgb and result of the
    frame before; None where consistency was not measured."""

    frame: FrameRecord
    rgb: np.ndarray
    result: SegmentationResult
    truth: np.ndarray | None
    before: tuple[np.ndarray, SegmentationResult] | None


def worst_frames(evaluation: BagEvaluation, measure: str, count: int) -> list[FrameRecord]:
    """The frames with the lowest `measure`, "miou" or "consistency", the worst first; none too close to another one."""
    frames = [frame for frame in evaluation.frames if getattr(frame, measure) is not None]
    if not frames:
        return []
    times = [frame.time_ns for frame in frames]
    distance = (max(times) - min(times)) / (4 * count)
    chosen: list[FrameRecord] = []
    for frame in sorted(frames, key=lambda frame: getattr(frame, measure)):
        if len(chosen) < count and all(abs(frame.time_ns - other.time_ns) >= distance for other in chosen):
            chosen.append(frame)
    return chosen


def load_examples(
    path: Path, topics: BagTopics, segmenter: Segmenter, evaluation: BagEvaluation, frames: list[FrameRecord]
) -> list[Example]:
    """In the order of `frames`."""
    segmented = evaluation.segmented
    examples = []
    with Bag(path) as bag:
        for frame in frames:
            rgb, result = _segment(bag, evaluation, segmenter, frame)
            before = None
            if frame.consistency is not None:
                before = _segment(bag, evaluation, segmenter, segmented[segmented.index(frame) - 1])
            examples.append(Example(frame, rgb, result, None, before))
    return examples if topics.label is None else _with_truth(path, topics.label, segmenter, examples)


def _segment(
    bag: Bag, evaluation: BagEvaluation, segmenter: Segmenter, frame: FrameRecord
) -> tuple[np.ndarray, SegmentationResult]:
    images = bag_images(bag.path, bag.messages([evaluation.topic.name], at_ns=frame.time_ns))
    rgb = next(image.read() for image in images if image.stamp_ns == frame.stamp_ns)
    return rgb, segmenter(rgb)


def _with_truth(path: Path, topic: str, segmenter: Segmenter, examples: list[Example]) -> list[Example]:
    found = {}
    with BagTruth(path, topic, None, segmenter.labels) as truth:
        for example in sorted(examples, key=lambda example: example.frame.stamp_ns):
            found[example.frame.name] = truth.at(example.frame.stamp_ns, example.rgb.shape[:2])
    truths = {name: labels[0] for name, labels in found.items() if labels}
    return [replace(example, truth=truths.get(example.frame.name)) for example in examples]
