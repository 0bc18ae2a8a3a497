"""Temporal consistency: agreement of consecutive results along the optical flow, without labels.

The previous result is warped to the current frame and compared with the current result: mIoU of the label maps, as in
"Efficient Semantic Video Segmentation with Per-frame Inference" (Liu et al., ECCV 2020), and PQ of the segments,
matched by overlap. The flow is DIS ("Fast Optical Flow using Dense Inverse Search", Kroeger et al., ECCV 2016). Pixels
that it cannot follow are not compared: those outside the image, and those where forward and backward flow disagree by
the criterion of "Dense Point Trajectories by GPU-accelerated Large Displacement Optical Flow" (Sundaram et al., ECCV
2010).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.mean_iou import MeanIoU
from bisenetformer_ros.metrics.panoptic_quality import VOID, PanopticQuality
from bisenetformer_ros.results import UNLABELED, SegmentationResult

FLOW_SIZE = 640
"""Longer side, in pixels, of the images that the flow is computed on; larger images are scaled down."""
_IGNORED = 255


@dataclass(frozen=True)
class ConsistencyResult:
    """Consistency as fractions of 0 to 1, nan without two frames to compare.

    Attributes:
        miou: Of the label maps, with "unlabeled" as a class.
        pq: Of the segments, nan for the semantic task.
        compared: Fraction of pixels that the flow could follow.
        num_pairs: Compared pairs of frames.
    """

    miou: float
    pq: float
    compared: float
    num_pairs: int


class TemporalConsistency:
    """Accumulates the frames of a drive, in order."""

    def __init__(self, labels: LabelMap) -> None:
        self._unlabeled = len(labels)
        self._mean_iou = MeanIoU(len(labels) + 1, _IGNORED)
        self._quality = PanopticQuality(labels)
        self._compared: list[float] = []
        self._previous: tuple[np.ndarray, SegmentationResult] | None = None

    def restart(self) -> None:
        """Forget the previous frame, as after a cut or a long gap."""
        self._previous = None

    def update(self, rgb: np.ndarray, result: SegmentationResult) -> float | None:
        """Compare a frame with the previous one.

        Args:
            rgb: (H, W, 3) uint8, the image of `result`.
            result: Its segmentation.

        Returns:
            mIoU of this pair; None without a previous frame of the same size.
        """
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        previous, self._previous = self._previous, (grey, result)
        if previous is None or previous[0].shape != grey.shape:
            return None
        grey_before, before = previous
        columns, rows, followed = follow_pixels(grey_before, grey)
        moved = np.where(followed, self._known(before.label_map[rows, columns]), np.uint8(_IGNORED))
        self._compared.append(float(followed.mean()))
        of_pair = self._mean_iou.update(self._known(result.label_map), moved)
        if result.panoptic_map is not None and before.panoptic_map is not None:
            expected = np.where(followed, before.panoptic_map[rows, columns], VOID)
            visible = set(np.unique(expected).tolist())
            segments = {s.id: s.class_id for s in before.segments if s.id in visible}
            self._quality.update(result.panoptic_map, result.class_ids, expected, segments)
        return of_pair.miou

    def result(self) -> ConsistencyResult:
        """Return the measures over all frames so far."""
        compared = float(np.mean(self._compared)) if self._compared else float("nan")
        return ConsistencyResult(
            self._mean_iou.result().miou, self._quality.result().all.pq, compared, len(self._compared)
        )

    def _known(self, label_map: np.ndarray) -> np.ndarray:
        """Return the label map with a class of its own for unlabeled pixels."""
        return np.where(label_map == UNLABELED, np.uint8(self._unlabeled), label_map)


def follow_pixels(before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find where each pixel of `now` was in `before`, both (H, W) uint8.

    Returns:
        columns (H, W) int, rows (H, W) int, followed (H, W) bool. Where `followed` is false, columns and rows are
        arbitrary, but within the image.
    """
    height, width = now.shape
    scale = min(1.0, FLOW_SIZE / max(height, width))
    size = max(16, round(width * scale)), max(16, round(height * scale))
    small_before, small_now = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (before, now))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    still = np.zeros((size[1], size[0], 2), np.float32)
    back = np.asarray(dis.calc(small_now, small_before, still.copy()))
    forth = np.asarray(dis.calc(small_before, small_now, still.copy()))
    agree = _agree(back, forth)
    back = cv2.resize(back * np.array([width / size[0], height / size[1]], np.float32), (width, height))
    agree = cv2.resize(agree.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    columns = np.rint(np.arange(width, dtype=np.float32) + back[..., 0]).astype(np.intp)
    rows = np.rint(np.arange(height, dtype=np.float32)[:, None] + back[..., 1]).astype(np.intp)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return columns.clip(0, width - 1), rows.clip(0, height - 1), inside & agree


def _agree(back: np.ndarray, forth: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: `back` then `forth`, (H, W, 2) x and y in pixels each, leads about back to the start."""
    height, width = back.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    forth_there = cv2.remap(
        forth, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    error = ((back + forth_there) ** 2).sum(axis=-1)
    return error < 0.01 * ((back**2).sum(axis=-1) + (forth_there**2).sum(axis=-1)) + 0.5
