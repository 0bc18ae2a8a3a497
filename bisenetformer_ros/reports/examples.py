"""Example images of a report: photo, prediction, ground truth, and errors by pixel."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from bisenetformer_ros.images.draw import overlay
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metrics.panoptic_quality import VOID, SegmentMatches
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.page import Html
from bisenetformer_ros.results import UNLABELED, Segment, SegmentationResult

T = TypeVar("T")

NUM_EXAMPLES = 6
THUMBNAIL_WIDTH = 640
_GREY = 128

UNMATCHED = "right class, other segment"
ERROR_COLORS = {
    "wrong class": (214, 51, 44),
    "no class found": (245, 166, 35),
    UNMATCHED: (141, 92, 196),
    "not labelled": (20, 20, 24),
}


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """A panoptic segmentation, or a semantic one with one segment per class.

    Attributes:
        ids: (H, W) integers, segment id per pixel; ids that `classes` does not list are no segment.
        classes: Segment id → class id.
    """

    ids: np.ndarray
    classes: Mapping[int, int]

    @classmethod
    def of_labels(cls, label_map: np.ndarray) -> "SegmentedImage":
        """Convert a label map, (H, W) uint8, 255 = none."""
        class_ids = [i for i in np.unique(label_map).tolist() if i != UNLABELED]
        ids = np.where(label_map == UNLABELED, VOID, label_map.astype(np.int32) + 1)
        return cls(ids, {class_id + 1: class_id for class_id in class_ids})


@dataclass(frozen=True, eq=False)
class Example:
    """An image with its prediction and ground truth.

    Attributes:
        rgb: (H, W, 3) uint8; None if there is no photo.
        crowd_ids: Segments of the ground truth that stand for many instances.
        matches: Matched segments; None for the semantic task.
    """

    title: str
    rgb: np.ndarray | None
    prediction: SegmentedImage
    truth: SegmentedImage
    crowd_ids: Collection[int] = ()
    matches: SegmentMatches | None = None


def spread_out(ranked: Sequence[T], time_of: Callable[[T], int], count: int) -> list[T]:
    """Return the first `count` items, skipping those that are close in time to one already chosen."""
    times = [time_of(item) for item in ranked]
    distance = (max(times) - min(times)) / (4 * count) if times else 0
    chosen: list[T] = []
    for item in ranked:
        if len(chosen) < count and all(abs(time_of(item) - time_of(other)) >= distance for other in chosen):
            chosen.append(item)
    return chosen


def example_row(example: Example, labels: Sequence[Label]) -> Html:
    """Return the pictures of an example. labels: indexed by class id."""
    rgb = example.rgb
    if rgb is None:
        rgb = np.full((*example.truth.ids.shape, 3), _GREY, np.uint8)
    is_panoptic = example.matches is not None
    pictures = {
        "image": example.rgb,
        "prediction": _paint(rgb, example.prediction, labels, is_panoptic),
        "truth": _paint(rgb, example.truth, labels, is_panoptic),
        "errors": error_picture(rgb, example),
    }
    figures = [page.picture(_thumbnail(pixels), name) for name, pixels in pictures.items() if pixels is not None]
    return page.row(example.title, figures)


def error_legend(is_panoptic: bool) -> Html:
    """Return the legend of the error pictures."""
    return page.color_legend((color, name) for name, color in ERROR_COLORS.items() if is_panoptic or name != UNMATCHED)


def error_picture(rgb: np.ndarray, example: Example) -> np.ndarray:
    """Return (H, W, 3) uint8: a pale grey photo where the prediction is correct, ERROR_COLORS where it is not."""
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    picture = cv2.addWeighted(grey, 0.35, np.full_like(grey, 255), 0.65, 0)
    pairs, index = _pairs(example)
    kinds = [_kind_of_error(example, pred_id, gt_id) for pred_id, gt_id in pairs]
    for kind, color in ERROR_COLORS.items():
        picture[np.array([k == kind for k in kinds])[index]] = color
    return picture


def _pairs(example: Example) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return the pairs of ids (prediction, truth) that share pixels, and the index of the pair per pixel, (H, W)."""
    pred_ids, pred_index = np.unique(example.prediction.ids, return_inverse=True)
    gt_ids, gt_index = np.unique(example.truth.ids, return_inverse=True)
    shared = pred_index.reshape(example.truth.ids.shape) * len(gt_ids) + gt_index.reshape(example.truth.ids.shape)
    pairs, index = np.unique(shared, return_inverse=True)
    rows, columns = np.divmod(pairs, len(gt_ids))
    return list(zip(pred_ids[rows].tolist(), gt_ids[columns].tolist(), strict=True)), index.reshape(shared.shape)


def _kind_of_error(example: Example, pred_id: int, gt_id: int) -> str | None:
    true_class = example.truth.classes.get(gt_id)
    found_class = example.prediction.classes.get(pred_id)
    if true_class is None:
        return "not labelled"
    if found_class is None:
        return "no class found"
    if found_class != true_class:
        return "wrong class"
    if example.matches is None or gt_id in example.crowd_ids:
        return None
    hits = {(hit.pred_id, hit.gt_id) for hit in example.matches.hits}
    return None if (pred_id, gt_id) in hits else UNMATCHED


def _paint(rgb: np.ndarray, image: SegmentedImage, labels: Sequence[Label], with_outlines: bool) -> np.ndarray:
    """Draw the segments over the image, with ids and classes renumbered, since those of a file may be any integer."""
    class_ids = sorted({*image.classes.values()})
    if not class_ids:
        return rgb
    local = LabelMap("picture", tuple(_renumbered(labels[i], n, with_outlines) for n, i in enumerate(class_ids)))
    panoptic_map = np.zeros(image.ids.shape, np.uint16)
    label_map = np.full(image.ids.shape, UNLABELED, np.uint8)
    segments = []
    for number, (segment_id, class_id) in enumerate(image.classes.items(), start=1):
        label, pixels = local[class_ids.index(class_id)], image.ids == segment_id
        panoptic_map[pixels], label_map[pixels] = number, label.id
        area = int(pixels.sum())
        segments.append(Segment(number, label.id, label.name, label.is_thing, 1.0, area, (0, 0, 0, 0), (0, 0)))
    return overlay(rgb, SegmentationResult(label_map, label_map, panoptic_map, tuple(segments)), local, alpha=0.6)


def _renumbered(label: Label, number: int, with_outlines: bool) -> Label:
    return Label(number, str(number), label.is_thing and with_outlines, label.color)


def _thumbnail(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    if width <= THUMBNAIL_WIDTH:
        return rgb
    size = THUMBNAIL_WIDTH, max(1, round(height * THUMBNAIL_WIDTH / width))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
