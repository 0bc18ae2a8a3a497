"""Tracks things from frame to frame, so that a thing keeps its id in the panoptic map while it is followed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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

_CENTRES = (np.arange(GRID) + 0.5) / GRID - 0.5


@dataclass
class _Track:
    """One thing. Boxes are x and y of the centre and the logarithms of width and height, in pixels.

    Attributes:
        box: (4,) where the thing is expected, or was just seen.
        mask: (GRID, GRID) bool, which points of the box belong to the thing.
        velocity: (4,) change of the box per second.
        unseen_s: Time since the thing was last seen.
        missing: Frames since then.
        num_seen: Frames in which it was seen.
    """

    id: int
    class_id: int
    box: np.ndarray
    mask: np.ndarray
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(4))
    unseen_s: float = 0.0
    missing: int = 0
    num_seen: int = 1

    def predict(self, elapsed_s: float) -> None:
        """Move the box by the velocity."""
        self.box = self.box + elapsed_s * self.velocity
        self.unseen_s += elapsed_s
        self.missing += 1

    def see(self, box: np.ndarray, mask: np.ndarray) -> None:
        """Correct position and velocity by where the thing is."""
        weight = max(SMOOTHING, 1 / self.num_seen)  # the first motion counts in full
        self.velocity = self.velocity + weight * (box - self.box) / max(self.unseen_s, 1e-3)
        self.box, self.mask = box, mask
        self.unseen_s, self.missing = 0.0, 0
        self.num_seen += 1


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
        self._tracks: list[_Track] = []
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
        for track in self._tracks:
            track.predict(elapsed_s)
        things = [segment for segment in result.segments if segment.is_thing]
        boxes = _boxes(things)
        masks = _masks(boxes, things, result.panoptic_map)
        similarity = _similarity(self._tracks, things, boxes, result.panoptic_map)
        new_ids = {}
        for t, n in zip(*linear_sum_assignment(similarity, maximize=True), strict=True):
            if similarity[t, n] >= MIN_SIMILARITY:
                self._tracks[t].see(boxes[n], masks[n])
                new_ids[things[n].id] = self._tracks[t].id
        self._tracks = [track for track in self._tracks if track.missing <= self.max_missing]
        for n, segment in enumerate(things):
            if segment.id not in new_ids:
                new_ids[segment.id] = self._new_id()
                self._tracks.append(_Track(new_ids[segment.id], segment.class_id, boxes[n], masks[n]))
        for segment in result.segments:
            if not segment.is_thing:
                if segment.class_id not in self._stuff:
                    self._stuff[segment.class_id] = self._new_id()
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

    def _new_id(self) -> int:
        taken = {track.id for track in self._tracks} | {*self._stuff.values()}
        while True:
            self._last_id = self._last_id % MAX_ID + 1
            if self._last_id not in taken:
                return self._last_id


def _boxes(segments: Sequence[Segment]) -> np.ndarray:
    """Boxes as of tracks, (N, 4)."""
    corners = np.array([segment.box_xyxy for segment in segments], float).reshape(-1, 4)
    low, high = corners[:, :2], corners[:, 2:]
    return np.concatenate(((low + high) / 2, np.log(high - low)), axis=1)


def _points(boxes: np.ndarray, image_size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row (N, GRID, 1) and column (N, 1, GRID) of the points in boxes, within the image, and whether they were there.

    The last array is (N, GRID, GRID) bool.
    """
    sizes = np.exp(boxes[:, 2:])
    columns = np.floor(boxes[:, :1] + sizes[:, :1] * _CENTRES).astype(np.intp)[:, None, :]
    rows = np.floor(boxes[:, 1:2] + sizes[:, 1:] * _CENTRES).astype(np.intp)[:, :, None]
    height, width = image_size
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return rows.clip(0, height - 1), columns.clip(0, width - 1), inside


def _masks(boxes: np.ndarray, segments: Sequence[Segment], panoptic_map: np.ndarray) -> np.ndarray:
    """Which points of its box belong to a segment, (N, GRID, GRID) bool."""
    rows, columns, _ = _points(boxes, panoptic_map.shape)
    ids = np.array([segment.id for segment in segments], panoptic_map.dtype)
    return panoptic_map[rows, columns] == ids[:, None, None]


def _similarity(
    tracks: Sequence[_Track], segments: Sequence[Segment], boxes: np.ndarray, panoptic_map: np.ndarray
) -> np.ndarray:
    """Similarity of T tracks and N segments of things, (T, N), 0 to 1; 0 between classes.

    Half of it is the intersection over union of the expected mask and the segment. The other half is what remains of
    small or fast things: the closeness of the boxes, which falls linearly to 0 at a distance of the boxes' mean side
    and in proportion to the ratio of their areas, both with STEP added to each side.
    """
    if not tracks or not segments:
        return np.zeros((len(tracks), len(segments)))
    expected = np.array([track.box for track in tracks])
    rows, columns, inside = _points(expected, panoptic_map.shape)
    points = np.array([track.mask for track in tracks]) & inside
    positions = np.zeros(MAX_ID + 1, np.intp)
    positions[[segment.id for segment in segments]] = range(1, len(segments) + 1)
    stride = len(segments) + 1
    covered = positions[panoptic_map[rows, columns]] + stride * np.arange(len(tracks))[:, None, None]
    counts = np.bincount(covered[points], minlength=len(tracks) * stride).reshape(-1, stride)[:, 1:]
    pixels_per_point = np.exp(expected[:, 2:].sum(axis=1))[:, None] / GRID**2
    areas = np.array([segment.area for segment in segments])
    shared = np.minimum(counts * pixels_per_point, areas)
    overlap = shared / np.maximum(points.sum(axis=(1, 2))[:, None] * pixels_per_point + areas - shared, 1)

    step = STEP * max(panoptic_map.shape)
    distances = np.linalg.norm(expected[:, None, :2] - boxes[:, :2], axis=2)
    before, now = np.exp(expected[:, None, 2:]) + step, np.exp(boxes[:, 2:]) + step
    mean_sides = (before * now).prod(axis=2) ** 0.25
    ratios = (np.minimum(before, now) / np.maximum(before, now)).prod(axis=2)
    closeness = np.maximum(0, 1 - distances / mean_sides) * ratios
    same_class = np.array([[track.class_id] for track in tracks]) == [segment.class_id for segment in segments]
    return (overlap + closeness) / 2 * same_class


def _renumber(result: SegmentationResult, new_ids: dict[int, int]) -> SegmentationResult:
    """Return the result with other ids for its segments."""
    assert result.panoptic_map is not None
    table = np.zeros(MAX_ID + 1, np.uint16)
    table[list(new_ids)] = list(new_ids.values())
    if max(new_ids, default=0) < 256:
        panoptic_map = cv2.LUT(result.panoptic_map.astype(np.uint8), table[:256])  # a quarter of the time of indexing
    else:
        panoptic_map = table[result.panoptic_map]
    segments = sorted((replace(segment, id=new_ids[segment.id]) for segment in result.segments), key=lambda s: s.id)
    return replace(result, panoptic_map=panoptic_map, segments=tuple(segments))
