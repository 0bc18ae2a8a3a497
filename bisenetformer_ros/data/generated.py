"""Synthetic drives as a data set, rendered once and held in memory."""

import numpy as np

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.streets import StreetDrive


class RenderedDrives:
    """Frames spread evenly over drives with the seeds first_seed, first_seed + 1, …

    Seeds below 10000 are for evaluation and demonstrations, from there on for training.
    """

    has_instances = True

    def __init__(
        self,
        first_seed: int = 0,
        num_drives: int = 20,
        frames_per_drive: int = 5,
        size: tuple[int, int] = (360, 480),
    ) -> None:
        self.labels = LabelMap.load("camvid11")
        self.samples: list[Sample] = []
        for seed in range(first_seed, first_seed + num_drives):
            drive = StreetDrive(seed, size=size)
            for index in np.linspace(0, len(drive) - 1, frames_per_drive).round().astype(int):
                frame = drive[int(index)]
                name = f"drive{seed}_{index:03d}"
                self.samples.append(Sample(name, frame.rgb, frame.label_map, frame.instance_map.astype(np.int32)))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]
