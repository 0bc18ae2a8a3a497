"""Inputs and outputs of a segmentation, as plain immutable records."""

from dataclasses import dataclass, field, fields

import numpy as np

UNLABELED = 255
"""Value of `label_map` where no class is assigned."""


@dataclass(frozen=True)
class ImageGeometry:
    """How a camera image is brought to the network's size. The resized image is the top left of the padded one.

    Attributes:
        image_size: (height, width) of the camera image in pixels.
        resized_size: (height, width) after resizing.
        padded_size: (height, width) of the network's input.
    """

    image_size: tuple[int, int]
    resized_size: tuple[int, int]
    padded_size: tuple[int, int]


@dataclass(frozen=True)
class Segment:
    """One region of a panoptic map: an instance of a thing, or all of a stuff class.

    Attributes:
        id: Value in `panoptic_map`, from 1.
        score: 0 to 1.
        area: Pixels.
        box_xyxy: x_min, y_min, x_max, y_max in pixels, max exclusive.
        centroid_xy: Mean pixel centre.
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
    """Wall time per stage of one frame, in milliseconds."""

    preprocess: float
    inference: float
    postprocess: float


STAGES = tuple(stage.name for stage in fields(StageTimes))
"""Stages of `StageTimes`, in order."""


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """Segmentation of one image.

    Attributes:
        label_map: (H, W) uint8, class id per pixel, 255 = unlabeled.
        confidence: (H, W) uint8, 0..255 for a probability of 0 to 1.
        panoptic_map: (H, W) uint16, segment id per pixel, 0 = none; None for the semantic task.
        segments: One per id in `panoptic_map`, ordered by id; empty for the semantic task.
        times_ms: None if not measured.
    """

    label_map: np.ndarray
    confidence: np.ndarray
    panoptic_map: np.ndarray | None = None
    segments: tuple[Segment, ...] = field(default=())
    times_ms: StageTimes | None = None

    @property
    def class_ids(self) -> dict[int, int]:
        """Segment id → class id of every segment."""
        return {segment.id: segment.class_id for segment in self.segments}
