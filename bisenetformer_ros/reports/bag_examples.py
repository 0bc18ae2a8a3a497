"""Example frames of a bag, segmented again for their pictures."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bisenetformer_ros.bags.images import bag_images, image_decoders
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.evaluation.bag import BagTopics
from bisenetformer_ros.evaluation.bag_frames import BagEvaluation, FrameRecord
from bisenetformer_ros.evaluation.bag_truth import BagTruth
from bisenetformer_ros.reports.examples import spread_out
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class BagExample:
    """A frame and its result.

    Attributes:
        frame: Its measurements.
        rgb: (H, W, 3) uint8.
        result: Result of the segmentation.
        truth: (H, W) uint8 class ids, 255 = ignored; None without labels.
        previous: Image and result of the previous frame; None if consistency was not measured.
    """

    frame: FrameRecord
    rgb: np.ndarray
    result: SegmentationResult
    truth: np.ndarray | None
    previous: tuple[np.ndarray, SegmentationResult] | None


def worst_frames(evaluation: BagEvaluation, measure: str, count: int) -> list[FrameRecord]:
    """Return the frames with the lowest "miou" or "consistency", worst first and spread over the bag."""
    frames = [frame for frame in evaluation.frames if getattr(frame, measure) is not None]
    ranked = sorted(frames, key=lambda frame: getattr(frame, measure))
    return spread_out(ranked, lambda frame: frame.time_ns, count)


def load_examples(
    path: Path, topics: BagTopics, segmenter: Segmenter, evaluation: BagEvaluation, frames: list[FrameRecord]
) -> list[BagExample]:
    """Read and segment frames of a bag again.

    Args:
        path: Bag.
        topics: What was read of it.
        segmenter: Model of the evaluation.
        evaluation: Evaluation of the bag.
        frames: Frames of the evaluation.

    Returns:
        One example for each of `frames`.

    Raises:
        DataError: A frame cannot be read again.
    """
    segmented = evaluation.segmented
    examples = []
    with Bag(path) as bag:
        for frame in frames:
            rgb, result = _segment(bag, topics, evaluation, segmenter, frame)
            previous = None
            if frame.consistency is not None:
                previous = _segment(bag, topics, evaluation, segmenter, segmented[segmented.index(frame) - 1])
            examples.append(BagExample(frame, rgb, result, None, previous))
    return examples if topics.label is None else _with_truth(path, topics.label, segmenter, examples)


def _segment(
    bag: Bag, topics: BagTopics, evaluation: BagEvaluation, segmenter: Segmenter, frame: FrameRecord
) -> tuple[np.ndarray, SegmentationResult]:
    messages = bag.messages([evaluation.topic.name], at_ns=frame.time_ns)
    images = bag_images(bag.path, messages, image_decoders(topics.bit_depth))
    image = next((image for image in images if image.stamp_ns == frame.stamp_ns), None)
    if image is None:
        raise DataError(
            f"{bag.path}: frame {frame.name} of {evaluation.topic.name}, recorded at {frame.time_ns} ns, cannot "
            "be read again: use the bag that was evaluated, and update rosbags 0.11.0, which cannot read by time"
        )
    rgb = image.read()
    return rgb, segmenter(rgb)


def _with_truth(path: Path, topic: str, segmenter: Segmenter, examples: list[BagExample]) -> list[BagExample]:
    found = {}
    with BagTruth(path, topic, None, segmenter.labels) as truth:
        for example in sorted(examples, key=lambda example: example.frame.stamp_ns):
            found[example.frame.name] = truth.at(example.frame.stamp_ns, example.rgb.shape[:2])
    truths = {name: labels[0] for name, labels in found.items() if labels}
    return [replace(example, truth=truths.get(example.frame.name)) for example in examples]
