"""The endless stream of augmented samples that a run consumes, addressable by position.

Item i depends on the seed and i alone, so neither the number of loader workers nor an interruption changes a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.data.transforms import augment
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.targets import Target, panoptic_target, semantic_target


@dataclass(frozen=True, eq=False)
class Batch:
    """images: (B, 3, H, W) uint8. label_maps: (B, H, W) int64, 255 = ignore. names: of the source images."""

    images: Tensor
    label_maps: Tensor
    targets: list[Target]
    names: list[str]


class TrainingStream(Dataset):
    """Draws from several data sets in proportion to `weights`; `length` samples in all."""

    def __init__(
        self, config: TrainingConfig, datasets: Sequence[LabeledDataset], weights: Sequence[float], length: int
    ) -> None:
        self.config = config
        self.datasets = datasets
        self.probabilities = np.asarray(weights, float) / np.sum(weights)
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, position: int) -> Batch:
        """A batch of one."""
        rng = np.random.default_rng((self.config.seed, position))
        dataset = self.datasets[rng.choice(len(self.datasets), p=self.probabilities)]
        sample = dataset[int(rng.integers(len(dataset)))]
        config = self.config
        sample = augment(sample, rng, config.crop_size, config.scale_range, config.balanced_share, config.gamma_range)
        panoptic = config.task == "panoptic"
        target = panoptic_target(sample, dataset.labels) if panoptic else semantic_target(sample)
        image = torch.from_numpy(np.ascontiguousarray(sample.rgb.transpose(2, 0, 1)))
        label_map = torch.from_numpy(sample.label_map.astype(np.int64))
        return Batch(image[None], label_map[None], [target], [sample.name])


def collate(batches: Sequence[Batch]) -> Batch:
    """Joins batches in order."""
    return Batch(
        torch.cat([batch.images for batch in batches]),
        torch.cat([batch.label_maps for batch in batches]),
        [target for batch in batches for target in batch.targets],
        [name for batch in batches for name in batch.names],
    )
