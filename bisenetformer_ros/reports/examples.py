"""Images of an evaluation that are worth a look: photo, prediction, truth, and what is wrong where."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from bisenetformer_ros.images.draw import overlay
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metrics.panoptic_quality import VOID, Matches
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.page import Html
from bisenetformer_ros.results import UNLABELED, Segment, SegmentationResult

NUM_EXAMPLES = 6
THUMBNAIL_WIDTH = 640
_GREY = 128

ERROR_COLORS = {
    "wrong class": (214, 51, 44),
    "no class found": (245, 166, 35),
    "right class, other segment": (141, 92, 196),
    "not labelled": (20, 20, 24),
}


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """ids: (H, W) integers, a segment per pixel, 0 = none unless it is a segment. classes: id → class id.

    A semantic segmentation is one with a segment per class.
    """

    ids: np.ndarray
    classes: Mapping[int, int]

    @classmethod
    def of_labels(cls, label_map: np.ndarray) -> "SegmentedImage":
        """label_map: (H, W) uint8, 255 = none."""
        class_ids = [i for i in np.unique(label_map).tolist() if i != UNLABELED]
        ids = np.where(label_map == UNLABELED, VOID, label_map.astype(np.int32) + 1)
        return cls(ids, {class_id + 1: class_id for class_id in class_ids})


@dataclass(frozen=True, eq=False)
class Example:
    """rgb: (H, W, 3) uint8, None if there is no photo. crowd_ids: segments of the truth in which any of the class will
    do. matches: None for the semantic task."""

    title: str
    rgb: np.ndarray | None
    prediction: SegmentedImage
    truth: SegmentedImage
    crowd_ids: Collection[int] = ()
    matches: Matches | None = None


def example_row(example: Example, labels: Sequence[Label]) -> Html:
    """labels: by class id."""
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
    """What the colours of the error pictures mean."""
    names = [name for name in ERROR_COLORS if is_panoptic or name != "right class, other segment"]
    swatches = "".join(f"<span>{page.swatch(ERROR_COLORS[name], name)}</span>" for name in names)
    return Html(f'<div class="legend">{swatches}</div>')


def error_picture(rgb: np.ndarray, example: Example) -> np.ndarray:
    """(H, W, 3) uint8: a pale grey photo where all is right, ERROR_COLORS where it is not."""
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    picture = cv2.addWeighted(grey, 0.35, np.full_like(grey, 255), 0.65, 0)
    pairs, index = _pairs(example)
    kinds = [_kind_of_error(example, pred_id, gt_id) for pred_id, gt_id in pairs]
    for kind, color in ERROR_COLORS.items():
        picture[np.array([k == kind for k in kinds])[index]] = color
    return picture


def _pairs(example: Example) -> tuple[list[tuple[int, int]], np.ndarray]:
    """The pairs of ids (prediction, truth) that meet in a pixel, and for every pixel (H, W) which one."""
    pred_ids, pred_index = np.unique(example.prediction.ids, return_inverse=True)
    gt_ids, gt_index = np.unique(example.truth.ids, return_inverse=True)
    meeting = pred_index.reshape(example.truth.ids.shape) * len(gt_ids) + gt_index.reshape(example.truth.ids.shape)
    pairs, index = np.unique(meeting, return_inverse=True)
    rows, columns = np.divmod(pairs, len(gt_ids))
    return list(zip(pred_ids[rows].tolist(), gt_ids[columns].tolist(), strict=True)), index.reshape(meeting.shape)


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
    return None if (pred_id, gt_id) in hits else "right class, other segment"


def _paint(rgb: np.ndarray, image: SegmentedImage, labels: Sequence[Label], with_outlines: bool) -> np.ndarray:
    """Ids and classes are renumbered, since those of a file may be any number."""
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
