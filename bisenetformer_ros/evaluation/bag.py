"""Evaluation of a model on a bag: quality against labels, temporal consistency, latency, dropped frames."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from bisenetformer_ros.bags.images import BagImage, bag_images, choose_image_topic, image_decoders
from bisenetformer_ros.bags.reader import Bag, BagMessage
from bisenetformer_ros.bags.results import AnnotatedBag
from bisenetformer_ros.bags.topics import Topic
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.evaluation.bag_frames import BagEvaluation, FrameRecord
from bisenetformer_ros.evaluation.bag_truth import BagTruth
from bisenetformer_ros.evaluation.quality import QualityMeter, TrackingMeter
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.images.stamps import by_stamp
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.metrics.temporal_consistency import TemporalConsistency
from bisenetformer_ros.results import UNLABELED, SegmentationResult
from bisenetformer_ros.segmenter import Segmenter

MAX_GAP_S = 0.5
"""Maximum gap between frames whose results are compared; optical flow cannot follow larger motion."""


@dataclass(frozen=True)
class BagTopics:
    """Topics of a bag, and how its images are read.

    Attributes:
        image: Camera images; None for the bag's only image topic.
        label: Images of class ids; None without labels.
        instance: Images of instance ids; None without instances.
        bit_depth: Significant bits of 16-bit camera images, one of `images.raw.BIT_DEPTHS`.
    """

    image: str | None = None
    label: str | None = None
    instance: str | None = None
    bit_depth: int = 16


def evaluate_bag(
    path: Path,
    topics: BagTopics,
    segmenter: Segmenter,
    output: Path | None = None,
    on_result: Callable[[FrameRecord, SegmentationResult], None] = lambda frame, result: None,
    on_frame: Callable[[FrameRecord, int, float], None] = lambda frame, total, miou: None,
) -> tuple[BagEvaluation, list[str]]:
    """Segment the images of a bag and measure the results, in one pass.

    Args:
        path: Bag.
        topics: What to read.
        segmenter: Model.
        output: New bag to write, a copy of `path` with all results.
        on_result: Called with each segmented frame and its result.
        on_frame: Called with each frame, the number of frames in the bag, and the mean IoU of all frames so far, nan
            without labels.

    Returns:
        The evaluation, and the topics that could not be copied to `output`.

    Raises:
        InputError: The bag or a topic cannot be read, or no image can be decoded.
        ConfigError: The labels have other classes than the model.
        DataError: The labels do not fit the images.
    """
    with ExitStack() as stack:
        bag = stack.enter_context(Bag(path))
        topic = choose_image_topic(bag, topics.image, "--image-topic", (topics.label, topics.instance))
        truth = annotated = None
        if topics.label is not None:
            truth = stack.enter_context(BagTruth(path, topics.label, topics.instance, segmenter.labels))
        if output is not None:
            annotated = stack.enter_context(AnnotatedBag(output, bag, topic.name, segmenter.labels, segmenter.task))
        evaluator = BagEvaluator(segmenter, truth, annotated, on_result)
        messages = bag.messages([topic.name] if annotated is None else None)
        images = bag_images(path, _images_only(messages, topic.name, annotated), image_decoders(topics.bit_depth))
        for image in by_stamp(images, _stamp_ns):
            on_frame(evaluator.add(image), topic.count or 0, evaluator.miou)
        return evaluator.result(topic), annotated.left_out if annotated else []


def _images_only(messages: Iterator[BagMessage], topic: str, annotated: AnnotatedBag | None) -> Iterator[BagMessage]:
    """Yield the messages of the topic; copy all messages."""
    for message in messages:
        if annotated is not None:
            annotated.copy(message)
        if message.topic == topic:
            yield message


def _stamp_ns(image: BagImage) -> int | None:
    try:
        return image.stamp_ns
    except BadFrameError:
        return None


class BagEvaluator:
    """Accumulates the measures of a bag, whose images are added one by one, in order of their stamps."""

    def __init__(
        self,
        segmenter: Segmenter,
        truth: BagTruth | None,
        annotated: AnnotatedBag | None,
        on_result: Callable[[FrameRecord, SegmentationResult], None],
    ) -> None:
        self._segmenter = segmenter
        self._truth = truth
        self._annotated = annotated
        self._on_result = on_result
        self._frames: list[FrameRecord] = []
        self._quality = QualityMeter(segmenter.labels)
        self._consistency = TemporalConsistency(segmenter.labels)
        has_tracks = truth is not None and truth.has_instances and segmenter.task == "panoptic"
        self._tracking = TrackingMeter(segmenter.labels, Tracker()) if has_tracks else None
        self._previous_stamp_ns: int | None = None

    def add(self, image: BagImage) -> FrameRecord:
        """Segment and measure the next image, or record why it cannot be decoded."""
        try:
            stamp_ns, message = image.stamp_ns, image.parse()
            begin = perf_counter()
            rgb = image.decode(message)
            decode_ms = 1e3 * (perf_counter() - begin)
        except BadFrameError as error:
            frame = self._drop(image, error)
        else:
            if self._previous_stamp_ns is None:
                self._segmenter.warm_up(rgb.shape[:2])
            frame = self._segment(image, stamp_ns, rgb, decode_ms)
            self._previous_stamp_ns = stamp_ns
        self._frames.append(frame)
        return frame

    @property
    def miou(self) -> float:
        """Mean IoU of the frames so far; nan without labels."""
        return self._quality.mean_iou.miou

    def _drop(self, image: BagImage, error: BadFrameError) -> FrameRecord:
        if self._annotated is not None:
            self._annotated.drop()
        time_ns = image.message.time_ns
        stamp_ns = _stamp_ns(image)
        dropped = f"bad_input.{error.kind}"
        return FrameRecord(image.name, time_ns if stamp_ns is None else stamp_ns, time_ns, dropped, str(error))

    def _segment(self, image: BagImage, stamp_ns: int, rgb: np.ndarray, decode_ms: float) -> FrameRecord:
        result = self._segmenter(rgb)
        times_ms = {"decode": decode_ms, **vars(result.times_ms)}
        frame = FrameRecord(
            image.name,
            stamp_ns,
            image.message.time_ns,
            times_ms=times_ms,
            class_shares=self._class_shares(result),
            miou=self._compare_with_truth(image.name, stamp_ns, result),
            consistency=self._compare_with_previous(stamp_ns, rgb, result),
        )
        if self._annotated is not None:
            self._annotated.add(image, rgb, result, times_ms)
        self._on_result(frame, result)
        return frame

    def _class_shares(self, result: SegmentationResult) -> np.ndarray:
        counts = np.bincount(result.label_map.ravel(), minlength=UNLABELED + 1)
        return np.append(counts[: len(self._segmenter.labels)], counts[UNLABELED]) / result.label_map.size

    def _compare_with_truth(self, name: str, stamp_ns: int, result: SegmentationResult) -> float | None:
        truth = self._truth.at(stamp_ns, result.label_map.shape) if self._truth else None
        if self._tracking is not None:
            self._tracking.update(result, truth, stamp_ns=stamp_ns)
        if truth is None:
            return None
        miou = self._quality.update(name, result, *truth).miou
        return None if np.isnan(miou) else miou

    def _compare_with_previous(self, stamp_ns: int, rgb: np.ndarray, result: SegmentationResult) -> float | None:
        """Measure consistency, except across a gap or a dropped frame."""
        dropped = bool(self._frames) and bool(self._frames[-1].dropped)
        previous_ns = self._previous_stamp_ns
        if previous_ns is None or dropped or not 0 < stamp_ns - previous_ns <= MAX_GAP_S * 1e9:
            self._consistency.restart()
        return self._consistency.update(rgb, result)

    def result(self, topic: Topic) -> BagEvaluation:
        """Return the evaluation of all images.

        Raises:
            InputError: No image could be decoded.
            DataError: The stamp of no label image matches an image.
        """
        truth = self._truth
        if all(frame.dropped for frame in self._frames):
            reason = self._frames[0].reason if self._frames else "the topic is empty"
            raise InputError(f"none of the {len(self._frames)} images of {topic.name} can be decoded: {reason}")
        if truth is not None and not truth.num_found:
            raise DataError(
                f"no label image of {truth.topic} has the stamp of an image of {topic.name}; header stamps of labels "
                "and images must be equal"
            )
        return BagEvaluation(
            topic,
            self._segmenter.labels,
            self._frames,
            self._quality.mean_iou if truth else None,
            self._quality.panoptic_quality,
            self._consistency.result(),
            self._tracking.result() if self._tracking else None,
            num_labeled=truth.num_found if truth else 0,
            has_instances=truth is not None and truth.has_instances,
            ignored_labels=truth.ignored if truth else Counter(),
        )
