"""Panoptic quality of a prediction in the COCO panoptic format, with the same numbers as panopticapi."""

import ctypes
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import cv2
import numpy as np

from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.evaluation.panoptic_files import ImagePair, PanopticFiles
from bisenetformer_ros.images.coco_panoptic import read_ids
from bisenetformer_ros.labels import Label
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.overlap import Overlap
from bisenetformer_ros.metrics.panoptic_quality import (
    PanopticQuality,
    PanopticQualityResult,
    SegmentMatches,
    match_segments,
    segment_overlap,
    segments_without_pixels,
)
from bisenetformer_ros.numbers import first_of

IMAGES_PER_PROCESS = 40
"""Minimum for each process; fewer do not pay for its start."""
IMAGES_PER_TASK = 8
"""Batch that a process receives at a time."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class ImageComparison:
    """Comparison of one image.

    Attributes:
        matches: Matched segments.
        pixels: (N, 3) int64: true class, predicted class (number of classes for none), pixel count. Classes are
            positions in the list of categories.
        problems: Why the image cannot be compared; matches and pixels are empty then.
        doubts: Where the ground truth contradicts itself.
    """

    matches: SegmentMatches
    pixels: np.ndarray
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PanopticComparison:
    """Comparison of a prediction with its ground truth.

    Attributes:
        files: What was compared.
        quality: Panoptic quality; classes are positions in the list of categories.
        pixels: Mean IoU of the same images as a semantic segmentation.
        matches: Matched segments of each image, in the order of the pairs.
        doubts: Where the ground truth contradicts itself.
    """

    files: PanopticFiles
    quality: PanopticQualityResult
    pixels: MeanIoUResult
    matches: tuple[SegmentMatches, ...]
    doubts: tuple[str, ...]


def compare_panoptic(
    files: PanopticFiles, on_image: Callable[[], None] = lambda: None, processes: int | None = None
) -> PanopticComparison:
    """Compare all images.

    Args:
        files: Ground truth and prediction.
        on_image: Called after each image.
        processes: Number of processes; default: one per core available to this process.

    Raises:
        DataError: Predictions are invalid; the message lists the problems of each image: missing files, sizes that
            differ from the ground truth, segments only in the JSON or only in the PNG, unknown categories.
    """
    labels = [Label(i, category.name, category.is_thing, (0, 0, 0)) for i, category in enumerate(files.categories)]
    quality, confusion = PanopticQuality(labels), np.zeros((len(labels), len(labels) + 1), np.int64)
    matches: list[SegmentMatches] = []
    problems: list[str] = []
    doubts: list[str] = []
    for image in _compare_all(files, processes or len(os.sched_getaffinity(0))):
        problems += image.problems
        doubts += image.doubts
        matches.append(image.matches)
        quality.add(image.matches)
        np.add.at(confusion, (image.pixels[:, 0], image.pixels[:, 1]), image.pixels[:, 2])
        on_image()
    if problems:
        raise DataError(f"{files.pred_json} cannot be evaluated:\n" + "\n".join(problems))
    pixels = MeanIoUResult.of(confusion)
    return PanopticComparison(files, quality.result(), pixels, tuple(matches), tuple(doubts))


def _compare_all(files: PanopticFiles, processes: int) -> Iterator[ImageComparison]:
    class_of = {category.id: index for index, category in enumerate(files.categories)}
    compare = partial(compare_image, class_of=class_of)
    processes = min(processes, len(files.pairs) // IMAGES_PER_PROCESS)
    if processes <= 1:
        yield from map(compare, files.pairs)
        return
    # Not fork: the caller may have threads, such as a progress bar's, and a fork copies the locks that they hold.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(processes, context, _prepare_process) as pool:
        yield from pool.map(compare, files.pairs, chunksize=IMAGES_PER_TASK)


def _prepare_process() -> None:
    """Use one core per process, and keep the memory of an image for the next one.

    Otherwise glibc returns it to the kernel and faults it in again, which takes a third of the time on a virtual
    machine.
    """
    cv2.setNumThreads(1)
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(parameter, _KEPT_BYTES)


def compare_image(pair: ImagePair, class_of: Mapping[int, int]) -> ImageComparison:
    """Compare one image. class_of: category id → position in the list of categories."""
    try:
        overlap = segment_overlap(read_ids(pair.pred_png), pair.pred_segments, read_ids(pair.gt_png), pair.gt_segments)
    except (DataError, InputError) as error:
        return _rejected([f"{pair.name}: {error}"])
    problems = _problems(pair, overlap, class_of)
    if problems:
        return _rejected([f"{pair.name}: {problem}" for problem in problems])
    pred_classes = {i: class_of[segment["category_id"]] for i, segment in pair.pred_segments.items()}
    gt_classes = {i: class_of[segment["category_id"]] for i, segment in pair.gt_segments.items()}
    crowds = {i for i, segment in pair.gt_segments.items() if segment.get("iscrowd")}
    areas = {i: segment["area"] for i, segment in pair.gt_segments.items() if "area" in segment}
    return ImageComparison(
        match_segments(overlap, pred_classes, gt_classes, crowds, areas),
        _class_pixels(overlap, pred_classes, gt_classes, len(class_of)),
        doubts=tuple(f"{pair.name}: {doubt}" for doubt in _doubts(pair, overlap)),
    )


def _rejected(problems: Sequence[str]) -> ImageComparison:
    return ImageComparison(SegmentMatches([], {}, {}), np.zeros((0, 3), np.int64), problems=tuple(problems))


def _problems(pair: ImagePair, overlap: Overlap, class_of: Mapping[int, int]) -> list[str]:
    problems = []
    absent = segments_without_pixels(overlap, pair.pred_segments)
    if absent:
        problems.append(f"the prediction's JSON lists segments that {pair.pred_png} lacks: ids {first_of(absent)}")
    if overlap.unlisted_pred_ids:
        ids = first_of(overlap.unlisted_pred_ids)
        problems.append(f"{pair.pred_png} has segments that the prediction's JSON does not list: ids {ids}")
    for whose, segments in (("prediction", pair.pred_segments), ("ground truth", pair.gt_segments)):
        strange = {
            i: segment["category_id"] for i, segment in segments.items() if segment["category_id"] not in class_of
        }
        if strange:
            pairs = first_of([f"{category_id} (segment {i})" for i, category_id in strange.items()])
            problems.append(f"the {whose} has category ids that the ground truth does not define: {pairs}")
    return problems


def _doubts(pair: ImagePair, overlap: Overlap) -> list[str]:
    """List contradictions that panopticapi ignores; they do not affect the numbers here either."""
    counted = dict(zip(overlap.gt_ids.tolist(), overlap.gt_areas.tolist(), strict=True))
    areas = {i: segment.get("area", counted[i]) for i, segment in pair.gt_segments.items()}
    different = [
        f"{i} ({area} in the JSON, {counted[i]} in the PNG)" for i, area in areas.items() if area != counted[i]
    ]
    doubts = []
    if different:
        doubts.append(f"areas of ground truth segments differ; those of the JSON are used: {first_of(different)}")
    if overlap.unlisted_gt_ids:
        ids = first_of(overlap.unlisted_gt_ids)
        doubts.append(f"{pair.gt_png} has segments that the JSON does not list; they are not matched: ids {ids}")
    return doubts


def _class_pixels(
    overlap: Overlap, pred_classes: Mapping[int, int], gt_classes: Mapping[int, int], num_classes: int
) -> np.ndarray:
    """Return (N, 3) of true class, predicted class or `num_classes` for none, pixels; without ground truth void."""
    predicted = np.array([pred_classes.get(i, num_classes) for i in overlap.pred_ids.tolist()])
    true = np.array([gt_classes.get(i, num_classes) for i in overlap.gt_ids.tolist()])
    shared = overlap.shared[1:, 1:]
    rows, columns = np.nonzero((shared > 0) & (true < num_classes))
    return np.column_stack([true[columns], predicted[rows], shared[rows, columns]])
