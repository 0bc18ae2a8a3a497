"""Judges a model on a recorded drive: quality where there are labels, steadiness, times, losses."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from bisenetformer_ros.bags.images import BagImage, bag_images, choose_image_topic
from bisenetformer_ros.bags.reader import Bag, BagMessage
from bisenetformer_ros.bags.results import AnnotatedBag
from bisenetformer_ros.bags.topics import Topic
from bisenetformer_ros.data.sample import panoptic_ground_truth
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.evaluation.bag_frames import BagEvaluation, FrameRecord
from bisenetformer_ros.evaluation.bag_truth import BagTruth
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.metrics.mean_iou import MeanIoU
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality
from bisenetformer_ros.metrics.temporal_consistency import TemporalConsistency
from bisenetformer_ros.results import UNLABELED, SegmentationResult
from bisenetformer_ros.segmenter import Segmenter

MAX_GAP_S = 0.5
"""Frames farther apart are not compared with each other: too much has moved for the flow to follow."""


@dataclass(frozen=True)
class BagTopics:
    """image: None for the only image topic there is. label, instance: None without such labels."""

    image: str | None = None
    label: str | None = None
    instance: str | None = None


def evaluate_bag(
    path: Path,
    topics: BagTopics,
    segmenter: Segmenter,
    output: Path | None = None,
    on_result: Callable[[FrameRecord, SegmentationResult], None] = lambda frame, result: None,
    on_frame: Callable[[FrameRecord, int], None] = lambda frame, total: None,
) -> tuple[BagEvaluation, list[str]]:
    """Goes through the bag once. Returns what was found, and topics that could not be copied to `output`.

    output: where a copy of the bag with all results in it is written. on_frame gets every frame and their number in the
    bag. Raises InputError for the bag and its topics, ConfigError and DataError for the labels.
    """
    with ExitStack() as stack:
        bag = stack.enter_context(Bag(path))
        topic = choose_image_topic(bag, topics.image, "--image-topic", (topics.label, topics.instance))
        truth = annotated = None
        if topics.label is not None:
            truth = stack.enter_context(BagTruth(path, topics.label, topics.instance, segmenter.labels))
        if output is not None:
            annotated = stack.enter_context(AnnotatedBag(output, bag, topic.name, segmenter.labels, segmenter.task))
        judge = BagJudge(segmenter, truth, annotated, on_result)
        messages = bag.messages([topic.name] if annotated is None else None)
        for image in bag_images(path, _images_only(messages, topic.name, annotated)):
            on_frame(judge.add(image), topic.count or 0)
        return judge.result(topic), annotated.left_out if annotated else []


def _images_only(messages: Iterator[BagMessage], topic: str, annotated: AnnotatedBag | None) -> Iterator[BagMessage]:
    """The messages of the topic; all of them are copied on the way."""
    for message in messages:
        if annotated is not None:
            annotated.copy(message)
        if message.topic == topic:
            yield message


class BagJudge:
    """Takes the images of a bag one by one, in their order."""

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
        self._mean_iou = MeanIoU(len(segmenter.labels))
        self._quality = PanopticQuality(segmenter.labels)
        self._consistency = TemporalConsistency(segmenter.labels)
        self._stamp_before: int | None = None

    def add(self, image: BagImage) -> FrameRecord:
        try:
            stamp_ns, message = image.stamp_ns, image.parse()
            begin = perf_counter()
            rgb = image.decode(message)
            decode_ms = 1e3 * (perf_counter() - begin)
        except BadFrameError as error:
            frame = self._drop(image, error)
        else:
            if self._stamp_before is None:
                self._segmenter.warm_up(rgb.shape[:2])
            frame = self._segment(image, stamp_ns, rgb, decode_ms)
            self._stamp_before = stamp_ns
        self._frames.append(frame)
        return frame

    def _drop(self, image: BagImage, error: BadFrameError) -> FrameRecord:
        if self._annotated is not None:
            self._annotated.drop()
        time_ns = image.message.time_ns
        return FrameRecord(image.name, time_ns, time_ns, f"bad_input.{error.kind}", str(error))

    def _segment(self, image: BagImage, stamp_ns: int, rgb: np.ndarray, decode_ms: float) -> FrameRecord:
        result = self._segmenter(rgb)
        times_ms = {"decode": decode_ms, **vars(result.times_ms)}
        frame = FrameRecord(
            image.name,
            stamp_ns,
            image.message.time_ns,
            times_ms=times_ms,
            class_shares=self._class_shares(result),
            miou=self._compare_with_truth(stamp_ns, result),
            consistency=self._compare_with_before(stamp_ns, rgb, result),
        )
        if self._annotated is not None:
            self._annotated.add(image, rgb, result, times_ms)
        self._on_result(frame, result)
        return frame

    def _class_shares(self, result: SegmentationResult) -> np.ndarray:
        counts = np.bincount(result.label_map.ravel(), minlength=UNLABELED + 1)
        return np.append(counts[: len(self._segmenter.labels)], counts[UNLABELED]) / result.label_map.size

    def _compare_with_truth(self, stamp_ns: int, result: SegmentationResult) -> float | None:
        truth = self._truth.at(stamp_ns, result.label_map.shape) if self._truth else None
        if truth is None:
            return None
        if result.panoptic_map is not None:
            found = {segment.id: segment.class_id for segment in result.segments}
            self._quality.update(result.panoptic_map, found, *panoptic_ground_truth(*truth, self._segmenter.labels))
        miou = self._mean_iou.update(result.label_map, truth[0]).miou
        return None if np.isnan(miou) else miou

    def _compare_with_before(self, stamp_ns: int, rgb: np.ndarray, result: SegmentationResult) -> float | None:
        """Not across a gap, nor over dropped frames between."""
        dropped = bool(self._frames) and bool(self._frames[-1].dropped)
        if self._stamp_before is None or dropped or not 0 < stamp_ns - self._stamp_before <= MAX_GAP_S * 1e9:
            self._consistency.restart()
        return self._consistency.update(rgb, result)

    def result(self, topic: Topic) -> BagEvaluation:
        """Raises InputError if no image could be decoded, DataError if there are labels, but of no image."""
        truth, labels = self._truth, self._segmenter.labels
        if all(frame.dropped for frame in self._frames):
            reason = self._frames[0].reason if self._frames else "there are none"
            raise InputError(f"none of the {len(self._frames)} images of {topic.name} can be decoded: {reason}")
        if truth is not None and not truth.num_found:
            raise DataError(
                f"no label image of {truth.topic} has the stamp of an image of {topic.name}; labels are found by the "
                "stamps of their headers, which must be the same"
            )
        is_panoptic = truth is not None and self._segmenter.task == "panoptic"
        return BagEvaluation(
            topic,
            labels,
            self._frames,
            self._mean_iou.result() if truth else None,
            self._quality.result() if is_panoptic else None,
            self._consistency.result(),
            num_labeled=truth.num_found if truth else 0,
            has_instances=truth is not None and truth.has_instances,
        )
