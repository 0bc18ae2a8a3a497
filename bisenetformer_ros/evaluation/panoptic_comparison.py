"""Panoptic quality of a prediction on disk, in the COCO panoptic format; the numbers are those of panopticapi."""

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

from bisenetformer_ros.data.file_search import first_of
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.evaluation.panoptic_files import ImagePair, PanopticFiles
from bisenetformer_ros.images.coco_panoptic import read_ids
from bisenetformer_ros.labels import Label
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.overlap import Overlap
from bisenetformer_ros.metrics.panoptic_quality import (
    Matches,
    PanopticQuality,
    PanopticQualityResult,
    match_segments,
    segment_overlap,
    segments_without_pixels,
)

IMAGES_PER_PROCESS = 40
"""With fewer, another process is not worth its start."""
IMAGES_PER_TASK = 8
"""Handed to a process at a time."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class ImageComparison:
    """What one image adds.

    pixels: (N, 3) int64 of true class, predicted class (or their number, for none) and count; classes are positions
    among the categories. problems: why the image cannot be judged; it adds nothing then. doubts: where the ground
    truth contradicts itself.
    """

    matches: Matches
    pixels: np.ndarray
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PanopticComparison:
    """Everything about a prediction.

    quality: by the position of a category. pixels: the same images as a semantic segmentation.
    matches: of each image, in the order of the pairs. doubts: messages about a ground truth that contradicts itself.
    """

    files: PanopticFiles
    quality: PanopticQualityResult
    pixels: MeanIoUResult
    matches: tuple[Matches, ...]
    doubts: tuple[str, ...]


def compare_panoptic(
    files: PanopticFiles, on_image: Callable[[], None] = lambda: None, processes: int | None = None
) -> PanopticComparison:
    """Reads and judges all images. processes: by default one per core that this process may use.

    Raises DataError that lists what is wrong with the prediction of which image: files that are missing or of another
    size than the ground truth, segments that only the JSON or only the PNG has, unknown categories.
    """
    labels = [Label(i, category.name, category.is_thing, (0, 0, 0)) for i, category in enumerate(files.categories)]
    quality, confusion = PanopticQuality(labels), np.zeros((len(labels), len(labels) + 1), np.int64)
    matches: list[Matches] = []
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
        raise DataError(f"{files.pred_json} cannot be judged:\n" + "\n".join(problems))
    pixels = MeanIoUResult.of(confusion)
    return PanopticComparison(files, quality.result(), pixels, tuple(matches), tuple(doubts))


def _compare_all(files: PanopticFiles, processes: int) -> Iterator[ImageComparison]:
    class_of = {category.id: index for index, category in enumerate(files.categories)}
    compare = partial(compare_image, class_of=class_of)
    processes = min(processes, len(files.pairs) // IMAGES_PER_PROCESS)
    if processes <= 1:
        yield from map(compare, files.pairs)
        return
    # Not fork: what calls this may have threads, as a progress bar does, and a fork copies locks that they hold.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(processes, context, _prepare_process) as pool:
        yield from pool.map(compare, files.pairs, chunksize=IMAGES_PER_TASK)


def _prepare_process() -> None:
    """One core per process, and the memory of an image is kept for the next one.

    glibc otherwise hands it back and fetches it again, page by page, which costs a third of the time on a virtual
    machine.
    """
    cv2.setNumThreads(1)
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(parameter, _KEPT_BYTES)


def compare_image(pair: ImagePair, class_of: Mapping[int, int]) -> ImageComparison:
    """class_of: category id → position among the categories."""
    try:
        overlap = segment_overlap(read_ids(pair.pred_png), pair.pred_segments, read_ids(pair.gt_png), pair.gt_segments)
    except (DataError, InputError) as error:
        return _refuse([f"{pair.name}: {error}"])
    problems = _problems(pair, overlap, class_of)
    if problems:
        return _refuse([f"{pair.name}: {problem}" for problem in problems])
    pred_classes = {i: class_of[segment["category_id"]] for i, segment in pair.pred_segments.items()}
    gt_classes = {i: class_of[segment["category_id"]] for i, segment in pair.gt_segments.items()}
    crowds = {i for i, segment in pair.gt_segments.items() if segment.get("iscrowd")}
    areas = {i: segment["area"] for i, segment in pair.gt_segments.items() if "area" in segment}
    return ImageComparison(
        match_segments(overlap, pred_classes, gt_classes, crowds, areas),
        _class_pixels(overlap, pred_classes, gt_classes, len(class_of)),
        doubts=tuple(f"{pair.name}: {doubt}" for doubt in _doubts(pair, overlap)),
    )


def _refuse(problems: Sequence[str]) -> ImageComparison:
    return ImageComparison(Matches([], {}, {}), np.zeros((0, 3), np.int64), problems=tuple(problems))


def _problems(pair: ImagePair, overlap: Overlap, class_of: Mapping[int, int]) -> list[str]:
    problems = []
    absent = segments_without_pixels(overlap, pair.pred_segments)
    if absent:
        problems.append(
            f"the prediction's JSON lists segments that {pair.pred_png} does not have: ids {first_of(absent)}"
        )
    if overlap.unlisted_pred_ids:
        ids = first_of(overlap.unlisted_pred_ids)
        problems.append(f"{pair.pred_png} has segments that the prediction's JSON does not list: ids {ids}")
    for whose, segments in (("prediction", pair.pred_segments), ("ground truth", pair.gt_segments)):
        strange = {
            i: segment["category_id"] for i, segment in segments.items() if segment["category_id"] not in class_of
        }
        if strange:
            pairs = first_of([f"{category_id} (segment {i})" for i, category_id in strange.items()])
            problems.append(f"the {whose} has category ids that are no category of the ground truth: {pairs}")
    return problems


def _doubts(pair: ImagePair, overlap: Overlap) -> list[str]:
    """panopticapi does not look for these; they change nothing here either."""
    counted = dict(zip(overlap.gt_ids.tolist(), overlap.gt_areas.tolist(), strict=True))
    areas = {i: segment.get("area", counted[i]) for i, segment in pair.gt_segments.items()}
    different = [
        f"{i} ({area} in the JSON, {counted[i]} in the PNG)" for i, area in areas.items() if area != counted[i]
    ]
    doubts = []
    if different:
        doubts.append(f"the ground truth has segments of two areas, of which the JSON's counts: {first_of(different)}")
    if overlap.unlisted_gt_ids:
        ids = first_of(overlap.unlisted_gt_ids)
        doubts.append(f"{pair.gt_png} has segments that the JSON does not list, which match nothing: ids {ids}")
    return doubts


def _class_pixels(
    overlap: Overlap, pred_classes: Mapping[int, int], gt_classes: Mapping[int, int], num_classes: int
) -> np.ndarray:
    """(N, 3): true class, predicted class or `num_classes` for none, pixels; without void of the ground truth."""
    predicted = np.array([pred_classes.get(i, num_classes) for i in overlap.pred_ids.tolist()])
    true = np.array([gt_classes.get(i, num_classes) for i in overlap.gt_ids.tolist()])
    shared = overlap.shared[1:, 1:]
    rows, columns = np.nonzero((shared > 0) & (true < num_classes))
    return np.column_stack([true[columns], predicted[rows], shared[rows, columns]])
