"""Tracks things from frame to frame, so that a thing keeps its id in the panoptic map while it is followed."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from bisenetformer_ros.results import Segment, SegmentationResult

MAX_ID = 2**16 - 1
"""Largest id that a panoptic map holds."""
MAX_GAP_S = 2.0
"""After a longer time between two frames, all tracks begin anew."""
MIN_AGREEMENT = 0.5
"""Least share of equal labels in consecutive label maps; with less, the scene was cut."""
GRID = 16
"""Rows and columns of points in a thing's box for which a track knows whether they belong to the thing."""
MIN_SIMILARITY = 0.01
"""Least similarity of a track and a segment that continues it; low, since little is seen of what is nearly hidden."""
STEP = 0.015
"""Distance that even the smallest thing may jump between two frames, as a share of the image's longer side."""
SMOOTHING = 0.2
"""Weight of the latest motion in the velocity of a track."""
HAS_LUT_16 = int(cv2.__version__.split(".")[0]) >= 5
"""Whether cv2.LUT takes tables of 65536 entries."""

_CENTRES = (np.arange(GRID) + 0.5) / GRID - 0.5


class _Tracks:
    """All tracks of one camera, an array per attribute, as a loop over tracks would take longer than all else.

    Boxes are x and y of the centre, width and height, in pixels.

    Attributes:
        ids: (T,) int.
        class_ids: (T,) int.
        boxes: (T, 4) where the things are expected, or were just seen.
        masks: (T, GRID, GRID) bool, which points of the box belong to the thing.
        velocities: (T, 2) motion of the centres in pixels per second. Sizes are not predicted: those of a thing that
            disappears behind another one shrink fast, and would go on shrinking.
        unseen_s: (T,) time since the things were last seen.
        missing: (T,) int, frames since then.
        num_seen: (T,) int, frames in which they were seen.
    """

    def __init__(self, ids: Sequence[int], class_ids: Sequence[int], boxes: np.ndarray, masks: np.ndarray) -> None:
        self.ids, self.class_ids = np.array(ids, int), np.array(class_ids, int)
        self.boxes, self.masks = boxes, masks
        self.velocities = np.zeros((len(ids), 2))
        self.unseen_s = np.zeros(len(ids))
        self.missing = np.zeros(len(ids), int)
        self.num_seen = np.ones(len(ids), int)

    def predict(self, elapsed_s: float) -> None:
        """Move the boxes by their velocities."""
        self.boxes[:, :2] += elapsed_s * self.velocities
        self.unseen_s += elapsed_s
        self.missing += 1

    def see(self, tracks: np.ndarray, boxes: np.ndarray, masks: np.ndarray) -> None:
        """Correct position and velocity of some tracks by where their things are."""
        weights = np.maximum(SMOOTHING, 1 / self.num_seen[tracks])  # the first motion counts in full
        unseen_s = np.maximum(self.unseen_s[tracks], 1e-3)
        self.velocities[tracks] += weights[:, None] * (boxes - self.boxes[tracks])[:, :2] / unseen_s[:, None]
        self.boxes[tracks], self.masks[tracks] = boxes, masks
        self.unseen_s[tracks], self.missing[tracks] = 0.0, 0
        self.num_seen[tracks] += 1

    def select(self, chosen: np.ndarray) -> None:
        """Keep the tracks chosen by a (T,) bool array."""
        for name, values in vars(self).items():
            setattr(self, name, values[chosen])

    def extend(self, others: "_Tracks") -> None:
        for name, values in vars(self).items():
            setattr(self, name, np.concatenate((values, getattr(others, name))))


class Tracker:
    """Gives things in consecutive panoptic results the ids of their tracks, from 1.

    The position of a track is predicted by its velocity. It is continued by the segment of its class that is most
    similar in mask and box, by the assignment of most similarity in total. A track that is not continued is kept for
    some frames. An id is not given again until all others up to 2^16 - 1 were. The same results give the same ids. For
    one camera; not thread-safe.
    """

    def __init__(self, max_missing: int = 10) -> None:
        """max_missing: Number of frames for which a lost track is kept, at least 0."""
        self.max_missing = max_missing
        self._last_id = 0
        self._stamp_s: float | None = None
        self._sample = np.zeros(0, np.uint8)
        self.reset()

    def reset(self) -> None:
        """End all tracks."""
        self._tracks = _Tracks([], [], np.zeros((0, 4)), np.zeros((0, GRID, GRID), bool))
        self._stuff: dict[int, int] = {}  # class → id

    def update(self, result: SegmentationResult, stamp_s: float | None = None) -> SegmentationResult:
        """Track the things in the next frame.

        Args:
            result: Of the frame. A semantic one is returned as it is.
            stamp_s: Stamp of the frame in seconds; None for frames at a constant rate. All tracks end if it goes back
                or leaps by more than MAX_GAP_S, or if the scene changes altogether.

        Returns:
            The result with the ids of tracks in its map and segments; stuff keeps one id per class.
        """
        if result.panoptic_map is None:
            return result
        elapsed_s = self._begin_frame(result.label_map, stamp_s)
        self._tracks.predict(elapsed_s)
        things = [segment for segment in result.segments if segment.is_thing]
        boxes = _boxes(things)
        masks = _masks(boxes, things, result.panoptic_map)
        similarity = _similarity(self._tracks, things, boxes, result.panoptic_map)
        rows, columns = linear_sum_assignment(similarity, maximize=True)
        alike = similarity[rows, columns] >= MIN_SIMILARITY
        rows, columns = rows[alike], columns[alike]
        self._tracks.see(rows, boxes[columns], masks[columns])
        track_ids = self._tracks.ids[rows].tolist()
        new_ids = {things[n].id: track_id for n, track_id in zip(columns.tolist(), track_ids, strict=True)}
        self._tracks.select(self._tracks.missing <= self.max_missing)
        begun = [n for n, segment in enumerate(things) if segment.id not in new_ids]
        if begun:
            begun_ids = self._unused_ids(len(begun))
            new_ids |= {things[n].id: track_id for n, track_id in zip(begun, begun_ids, strict=True)}
            class_ids = [things[n].class_id for n in begun]
            self._tracks.extend(_Tracks(begun_ids, class_ids, boxes[begun], masks[begun]))
        for segment in result.segments:
            if not segment.is_thing:
                if segment.class_id not in self._stuff:
                    (self._stuff[segment.class_id],) = self._unused_ids(1)
                new_ids[segment.id] = self._stuff[segment.class_id]
        return _renumber(result, new_ids)

    def _begin_frame(self, label_map: np.ndarray, stamp_s: float | None) -> float:
        """End all tracks at a gap or a cut; return the time since the last frame, 1 without stamps."""
        elapsed_s = 1.0 if stamp_s is None or self._stamp_s is None else stamp_s - self._stamp_s
        sample = label_map[:: max(1, label_map.shape[0] // 32), :: max(1, label_map.shape[1] // 32)].copy()
        is_cut = sample.shape != self._sample.shape or (sample == self._sample).mean() < MIN_AGREEMENT
        if is_cut or not 0 <= elapsed_s <= MAX_GAP_S:
            self.reset()
        self._stamp_s, self._sample = stamp_s, sample
        return elapsed_s

    def _unused_ids(self, count: int) -> list[int]:
        taken = {*self._tracks.ids.tolist(), *self._stuff.values()}
        ids: list[int] = []
        while len(ids) < count:
            self._last_id = self._last_id % MAX_ID + 1
            if self._last_id not in taken:
                ids.append(self._last_id)
        return ids


def _boxes(segments: Sequence[Segment]) -> np.ndarray:
    """Boxes as of tracks, (N, 4)."""
    corners = np.array([segment.box_xyxy for segment in segments], float).reshape(-1, 4)
    low, high = corners[:, :2], corners[:, 2:]
    return np.concatenate(((low + high) / 2, high - low), axis=1)


def _points(boxes: np.ndarray, panoptic_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the points in boxes, and whether they are within the image; both (N, GRID, GRID)."""
    columns = np.floor(boxes[:, 0:1] + boxes[:, 2:3] * _CENTRES).astype(np.intp)[:, None, :]
    rows = np.floor(boxes[:, 1:2] + boxes[:, 3:4] * _CENTRES).astype(np.intp)[:, :, None]
    height, width = panoptic_map.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return panoptic_map.take(rows.clip(0, height - 1) * width + columns.clip(0, width - 1)), inside


def _masks(boxes: np.ndarray, segments: Sequence[Segment], panoptic_map: np.ndarray) -> np.ndarray:
    """Which points of its box belong to a segment, (N, GRID, GRID) bool."""
    ids = np.array([segment.id for segment in segments], panoptic_map.dtype)
    return _points(boxes, panoptic_map)[0] == ids[:, None, None]


def _similarity(
    tracks: _Tracks, segments: Sequence[Segment], boxes: np.ndarray, panoptic_map: np.ndarray
) -> np.ndarray:
    """Similarity of T tracks and N segments of things, (T, N), 0 to 1; 0 between classes.

    Half of it is the intersection over union of the expected mask and the segment. The other half is what remains of
    small or fast things: the closeness of the boxes, which falls linearly to 0 at a distance of the boxes' mean side
    and in proportion to the ratio of their areas, both with STEP added to each side. It is 0 while one box lies within
    the other, as the visible part of a thing that is nearly hidden may be any part of it.
    """
    expected = tracks.boxes
    if not len(expected) or not segments:
        return np.zeros((len(expected), len(segments)))
    found, inside = _points(expected, panoptic_map)
    points = (tracks.masks & inside).reshape(len(expected), -1)
    num_points = np.count_nonzero(points, axis=1)
    positions = np.zeros(MAX_ID + 1, np.uint16)
    positions[[segment.id for segment in segments]] = range(1, len(segments) + 1)
    stride = len(segments) + 1
    covered = positions.take(found.reshape(points.shape)[points])
    covered = covered + np.repeat(stride * np.arange(len(expected)), num_points)
    counts = np.bincount(covered, minlength=len(expected) * stride).reshape(-1, stride)[:, 1:]
    pixels_per_point = expected[:, 2:].prod(axis=1)[:, None] / GRID**2
    areas = np.array([segment.area for segment in segments])
    shared = np.minimum(counts * pixels_per_point, areas)
    overlap = shared / np.maximum(num_points[:, None] * pixels_per_point + areas - shared, 1)

    step = STEP * max(panoptic_map.shape)
    squares = np.zeros(counts.shape)
    sides, ratios = np.ones(counts.shape), np.ones(counts.shape)
    for axis in (0, 1):  # NumPy is slow along an axis of two
        before, now = expected[:, None, 2 + axis], boxes[:, 2 + axis]
        distances = np.abs(expected[:, None, axis] - boxes[:, axis]) - np.abs(before - now) / 2
        squares += np.maximum(0, distances) ** 2
        before, now = before + step, now + step
        sides *= before * now
        ratios *= np.minimum(before, now) / np.maximum(before, now)
    closeness = np.maximum(0, 1 - np.sqrt(squares) / sides**0.25) * ratios
    same_class = tracks.class_ids[:, None] == [segment.class_id for segment in segments]
    return (overlap + closeness) / 2 * same_class


def _renumber(result: SegmentationResult, new_ids: dict[int, int]) -> SegmentationResult:
    """Return the result with other ids for its segments."""
    assert result.panoptic_map is not None
    table = np.zeros(MAX_ID + 1, np.uint16)
    table[list(new_ids)] = list(new_ids.values())
    if HAS_LUT_16:
        panoptic_map = cv2.LUT(np.ascontiguousarray(result.panoptic_map), table)
    elif max(new_ids, default=0) < 256:
        panoptic_map = cv2.LUT(result.panoptic_map.astype(np.uint8), table[:256])
    else:
        panoptic_map = table[result.panoptic_map]  # four times as long
    segments = sorted(
        (Segment(**{**vars(segment), "id": new_ids[segment.id]}) for segment in result.segments), key=lambda s: s.id
    )
    return replace(result, panoptic_map=panoptic_map, segments=tuple(segments))
