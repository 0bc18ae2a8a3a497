"""Quality of tracked segments: STQ ("STEP: Segmenting and Tracking Every Pixel", Weber et al., 2021) and VPQ ("Video
Panoptic Segmentation", Kim et al., CVPR 2020), with the same numbers as deeplab2's.

As there, labelled pixels without a prediction count as one more class of the segmentation quality, with an IoU of 0.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.overlap import Overlap, count_overlap
from bisenetformer_ros.metrics.panoptic_quality import VOID, PanopticQuality, SegmentMatches, match_segments
from bisenetformer_ros.results import UNLABELED

WINDOWS = (1, 5, 10, 15)
"""Lengths of the windows of VPQ in frames."""
_CLASS = 1 << 32
"""A tube, the segments of one id and class, has the number (class + 1) · _CLASS + id; VOID stands for no class."""


@dataclass(frozen=True)
class VideoQualityResult:
    """Fractions of 0 to 1, nan where nothing was measured.

    Attributes:
        stq: √(aq · sq).
        aq: Association quality: how well things keep their ids.
        sq: Segmentation quality: mean IoU of the classes.
        vpq: Length of a window in frames → panoptic quality of the tubes within windows of this length, mean over the
            classes.
    """

    stq: float
    aq: float
    sq: float
    vpq: Mapping[int, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**vars(self), "vpq": {str(length): value for length, value in self.vpq.items()}}


@dataclass(frozen=True, eq=False)
class _Frame:
    """Overlap of the tubes of one frame.

    Attributes:
        pred_tubes: (P,).
        true_tubes: (G,) ascending, VOID first.
        shared: (1 + P, G) pixels; row 0 counts those without a prediction.
    """

    pred_tubes: np.ndarray
    true_tubes: np.ndarray
    shared: np.ndarray

    @property
    def pred_classes(self) -> np.ndarray:
        """(1 + P,) class of each row, -1 for none."""
        return np.append(VOID, self.pred_tubes) // _CLASS - 1

    @property
    def true_classes(self) -> np.ndarray:
        """(G,) class of each column, -1 for none."""
        return self.true_tubes // _CLASS - 1


class VideoQuality:
    """Accumulates the frames of videos, those of each video in order."""

    def __init__(self, labels: LabelMap) -> None:
        self._num_classes = len(labels)
        self._thing_ids = labels.thing_ids
        self._confusion = np.zeros((len(labels), len(labels) + 1), np.int64)
        self._windows = {length: PanopticQuality(labels) for length in WINDOWS}
        self._association_sum, self._num_tubes = 0.0, 0
        self._start()

    def begin_video(self) -> None:
        """Begin another video; the same ids then stand for other things."""
        self._association_sum, self._num_tubes = self._association()
        self._start()

    def _start(self) -> None:
        self._frames: deque[_Frame] = deque(maxlen=max(WINDOWS))
        self._predicted: Counter[int] = Counter()  # pixels of a tube of the prediction
        self._true: Counter[int] = Counter()  # of a tube of the ground truth
        self._shared: Counter[tuple[int, int]] = Counter()  # of both

    def update(
        self, pred_map: np.ndarray, pred_segments: Mapping[int, int], label_map: np.ndarray, instance_map: np.ndarray
    ) -> None:
        """Add the next frame of the video.

        Args:
            pred_map: (H, W) integer ids of tracks, 0 = none.
            pred_segments: Id → class id.
            label_map: (H, W) uint8 class ids, 255 = ignored.
            instance_map: (H, W) integer ids of things, which last through the video; things without one are crowds.

        Raises:
            InputError: The maps differ in size.
        """
        true_map = _CLASS * (label_map.astype(np.int64) + 1)
        true_map += np.where(np.isin(label_map, self._thing_ids), np.maximum(instance_map, 0), 0)
        true_map[label_map == UNLABELED] = VOID
        true_ids = np.union1d(true_map, [VOID])
        shared = count_overlap(pred_map, list(pred_segments), true_map, true_ids.tolist()).shared[:, 1:]
        frame = _Frame(
            np.array([_CLASS * (pred_segments[i] + 1) + i for i in pred_segments], np.int64), true_ids, shared
        )
        self._count_classes(frame)
        self._count_tubes(frame)
        self._frames.append(frame)
        for length, quality in self._windows.items():
            if len(self._frames) >= length:
                quality.add(self._match([*self._frames][-length:]))

    def result(self) -> VideoQualityResult:
        """Return the measures over all videos so far."""
        iou = MeanIoUResult.of(self._confusion).per_class_iou
        num_seen = np.count_nonzero(~np.isnan(iou)) + int(self._confusion[:, -1].any())
        sq = float(np.nansum(iou) / num_seen) if num_seen else float("nan")
        association_sum, num_tubes = self._association()
        aq = association_sum / num_tubes if num_tubes else float("nan")
        vpq = {length: quality.result().all.pq for length, quality in self._windows.items()}
        return VideoQualityResult(float(np.sqrt(aq * sq)), aq, sq, vpq)

    def _count_classes(self, frame: _Frame) -> None:
        columns = frame.pred_classes % (self._num_classes + 1)  # no class: the last one
        labelled = frame.true_classes >= 0
        pairs = frame.true_classes[labelled], columns[:, None]
        np.add.at(self._confusion, pairs, frame.shared[:, labelled])

    def _count_tubes(self, frame: _Frame) -> None:
        """Count the pixels of tubes of things; crowds neither have tubes nor count in those of the prediction."""
        is_thing = np.isin(frame.true_classes, self._thing_ids)
        is_crowd = is_thing & (frame.true_tubes % _CLASS == 0)
        for p in np.flatnonzero(np.isin(frame.pred_classes, self._thing_ids)):
            self._predicted[int(frame.pred_tubes[p - 1])] += int(frame.shared[p, ~is_crowd].sum())
        for g in np.flatnonzero(is_thing & ~is_crowd):
            true_tube = int(frame.true_tubes[g])
            self._true[true_tube] += int(frame.shared[:, g].sum())
            for p in np.flatnonzero(frame.shared[1:, g]):
                self._shared[true_tube, int(frame.pred_tubes[p])] += int(frame.shared[p + 1, g])

    def _association(self) -> tuple[float, int]:
        """Return the sum of the association quality over the true tubes of all videos so far, and their number."""
        total = self._association_sum
        for (true_tube, pred_tube), shared in self._shared.items():
            true, predicted = self._true[true_tube], self._predicted[pred_tube]
            if predicted:  # things only
                total += shared / true * shared / (true + predicted - shared)
        return total, self._num_tubes + len(self._true)

    def _match(self, frames: Sequence[_Frame]) -> SegmentMatches:
        """Match the tubes within a window, as panoptic quality does for the segments of an image."""
        pred_tubes = np.unique(np.concatenate([frame.pred_tubes for frame in frames]))
        true_tubes = np.unique(np.concatenate([frame.true_tubes for frame in frames]))
        shared = np.zeros((1 + len(pred_tubes), 1 + len(true_tubes)), np.int64)
        for frame in frames:
            rows = np.append(0, 1 + np.searchsorted(pred_tubes, frame.pred_tubes))
            shared[np.ix_(rows, 1 + np.searchsorted(true_tubes, frame.true_tubes))] += frame.shared
        overlap = Overlap(pred_tubes, true_tubes, shared, [], [])
        seen = pred_tubes[overlap.pred_areas > 0]
        true_classes = {tube: tube // _CLASS - 1 for tube in true_tubes.tolist() if tube != VOID}
        crowds = [tube for tube, of in true_classes.items() if of in self._thing_ids and tube % _CLASS == 0]
        return match_segments(overlap, {tube: tube // _CLASS - 1 for tube in seen.tolist()}, true_classes, crowds)
