"""Runs frames through an exported graph with any runtime: builds the inputs and interprets the outputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter

import cv2
import numpy as np
import torch

from bisenetformer_ros.commands import quoted
from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.graph.contract import (
    CONFIDENCE,
    FRAMES,
    LABEL_MAP,
    LOGITS,
    NO_QUERY,
    QUERY_MAP,
    QUERY_TABLE,
    SCORE_THRESHOLD,
    GraphInfo,
)
from bisenetformer_ros.inference.postprocess import postprocess
from bisenetformer_ros.inference.preprocess import check_frames, plan_geometry
from bisenetformer_ros.inference.segments import Queries, Region, describe_segments, merge_regions, number_segments
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED, SegmentationResult, StageTimes

Arrays = Mapping[str, np.ndarray]


def segment_frames(
    run: Callable[[Arrays], Arrays],
    graph: GraphInfo,
    max_batch: int,
    frames: Sequence[np.ndarray],
    score_threshold: float,
    overlap_threshold: float,
) -> list[SegmentationResult]:
    """Implement `Engine.segment` for a graph.

    Args:
        run: Maps the graph's inputs to its outputs, both by name.
        graph: Description of the graph.
        max_batch: Most frames in one run.
        frames: (H, W, 3) uint8 RGB each.
        score_threshold: 0 to 1, see `postprocess_panoptic`.
        overlap_threshold: 0 to 1, likewise.

    Raises:
        InputError: The frames are not such images.
        EngineError: The graph was exported for another frame size.
    """
    results: list[SegmentationResult] = []
    _check_size(check_frames(frames), graph)
    for first in range(0, len(frames), max_batch):
        start = perf_counter()
        inputs = graph_inputs(frames[first : first + max_batch], graph, score_threshold)
        prepared = perf_counter()
        outputs = run(inputs)
        inferred = perf_counter()
        batch = read_results(outputs, graph, score_threshold, overlap_threshold)
        stages = (prepared - start, inferred - prepared, perf_counter() - inferred)
        times_ms = StageTimes(*(1e3 * seconds / len(batch) for seconds in stages))
        results += [replace(result, times_ms=times_ms) for result in batch]
    return results


def graph_inputs(frames: Sequence[np.ndarray], graph: GraphInfo, score_threshold: float) -> Arrays:
    """Build the inputs for RGB frames (H, W, 3) uint8, all of the graph's size."""
    batch = np.stack(frames) if len(frames) > 1 else np.ascontiguousarray(frames[0])[None]
    if graph.colours == "bgr":
        batch = np.ascontiguousarray(batch[..., ::-1])
    values = {FRAMES: batch, SCORE_THRESHOLD: np.array(score_threshold, np.float32)}
    return {name: values[name] for name in graph.inputs}


def read_results(
    outputs: Arrays, graph: GraphInfo, score_threshold: float, overlap_threshold: float
) -> list[SegmentationResult]:
    """Interpret the outputs (see `contract.OUTPUTS` and `LOGITS`), one result per frame of the batch."""
    if graph.ends_at == "logits":
        class_logits, mask_logits = (torch.from_numpy(outputs[name]) for name in LOGITS)
        per_frame = zip(class_logits, mask_logits, strict=True)
        geometry, labels = plan_geometry(graph.frame_size, graph.metadata.input_size), graph.metadata.labels
        thresholds = score_threshold, overlap_threshold
        return [postprocess(graph.task, *logits, geometry, labels, *thresholds) for logits in per_frame]
    if graph.task == "semantic":
        return [SegmentationResult(*pair) for pair in zip(outputs[LABEL_MAP], outputs[CONFIDENCE], strict=True)]
    tables = zip(outputs[QUERY_MAP], outputs[CONFIDENCE], outputs[QUERY_TABLE], strict=True)
    return [_panoptic(*arrays, graph.metadata.labels, overlap_threshold) for arrays in tables]


def _check_size(found: tuple[int, int], graph: GraphInfo) -> None:
    if found != graph.frame_size:
        command = quoted(replace(graph, frame_size=found).export_command())
        raise EngineError(
            f"the graph was exported for frames of {'{}x{}'.format(*graph.frame_size)} (height x width), got "
            f"{'{}x{}'.format(*found)}; export one for this size: {command}"
        )


def _panoptic(
    query_map: np.ndarray, confidence: np.ndarray, table: np.ndarray, labels: LabelMap, overlap_threshold: float
) -> SegmentationResult:
    """Interpret one frame's query_map and confidence (H, W) uint8 and table (N, 11) float32."""
    classes, areas = table[:, 0].astype(int), table[:, 2:5].astype(int)
    queries = Queries(classes, table[:, 1], *areas.T)
    ids = number_segments(queries, labels, overlap_threshold)
    ids_by_value = np.zeros(NO_QUERY + 1, np.uint16)
    ids_by_value[: len(ids)] = ids
    labels_by_value = np.full(NO_QUERY + 1, UNLABELED, np.uint8)
    labels_by_value[: len(ids)][ids > 0] = classes[ids > 0]
    panoptic_map, label_map = cv2.LUT(query_map, ids_by_value), cv2.LUT(query_map, labels_by_value)
    if ((ids == 0) & (queries.region_areas > 0)).any():
        confidence = np.where(panoptic_map > 0, confidence, np.uint8(0))
    regions = merge_regions(ids, [_region(row) for row in table])
    segments = describe_segments(ids, regions, queries, labels)
    return SegmentationResult(label_map, confidence, panoptic_map, segments)


def _region(row: np.ndarray) -> Region:
    x_min, y_min, x_max, y_max = (int(value) for value in row[5:9])
    return Region(int(row[4]), (x_min, y_min, x_max, y_max), (float(row[9]), float(row[10])))
