"""One labelled image, the form that every data set delivers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bisenetformer_ros.labels import LabelMap


@dataclass(frozen=True, eq=False)
class Sample:
    """rgb: (H, W, 3) uint8. label_map: (H, W) uint8, 255 = ignore. instance_map: (H, W) int32.

    instance_map is 0 where there is no instance: on stuff, on ignored pixels and on things too small to count.
    """

    name: str
    rgb: np.ndarray
    label_map: np.ndarray
    instance_map: np.ndarray


class LabeledDataset(Protocol):
    """Random access to samples with one label map."""

    labels: LabelMap

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...
