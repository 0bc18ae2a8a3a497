"""What goes in and comes out of a segmentation, as plain immutable records."""

from dataclasses import dataclass, field, fields

import numpy as np

UNLABELED = 255
"""Value of `label_map` where no class is assigned."""


@dataclass(frozen=True)
class ImageGeometry:
    """How a camera image was brought to the size of the network, and the way back.

    All sizes are (height, width) in pixels. The resized image lies in the top left corner of the padded one.
    """

    image_size: tuple[int, int]
    resized_size: tuple[int, int]
    padded_size: tuple[int, int]


@dataclass(frozen=True)
class Segment:
    """One region of a panoptic map: an instance of a thing, or all of a stuff class.

    id: value in `panoptic_map`, from 1. score: 0..1. area: pixels.
    box_xyxy: x_min, y_min, x_max, y_max in pixels, max exclusive. centroid_xy: mean pixel centre.
    """

    id: int
    class_id: int
    class_name: str
    is_thing: bool
    score: float
    area: int
    box_xyxy: tuple[int, int, int, int]
    centroid_xy: tuple[float, float]


@dataclass(frozen=True)
class StageTimes:
    """Wall time of each step of one frame, in milliseconds."""

    preprocess: float
    inference: float
    postprocess: float


STAGES = tuple(stage.name for stage in fields(StageTimes))
"""The stages that `StageTimes` measures, in order."""


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """Everything known about one image.

    label_map: (H, W) uint8, class id per pixel, 255 = unlabeled.
    confidence: (H, W) uint8, 0..255 for a probability of 0..1.
    panoptic_map: (H, W) uint16, segment id per pixel, 0 = none; None for the semantic task.
    segments: one per id in `panoptic_map`, ordered by id; empty for the semantic task.
    times_ms: where the time went; None if it was not measured.
    """

    label_map: np.ndarray
    confidence: np.ndarray
    panoptic_map: np.ndarray | None = None
    segments: tuple[Segment, ...] = field(default=())
    times_ms: StageTimes | None = None
