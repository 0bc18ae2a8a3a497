"""The endless stream of augmented samples of a run, addressed by position.

Item i depends on the seed and i only, so a run does not depend on the number of loader workers or processes, nor on
interruptions.
"""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.data.transforms import augment
from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.targets import Targets, panoptic_targets, semantic_targets


@dataclass(frozen=True, eq=False)
class Batch:
    """Training crops.

    Attributes:
        images: (B, 3, H, W) uint8 RGB, channels last in memory.
        label_maps: (B, H, W) uint8, 255 = ignore.
        targets: Segments.
        names: Of the source images.
        seeds: One per image, for the points of its loss.
    """

    images: Tensor
    label_maps: Tensor
    targets: Targets
    names: list[str]
    seeds: list[int]

    def pin_memory(self) -> "Batch":
        """For DataLoader: copy to memory from which copies to a GPU are asynchronous."""
        return replace(
            self,
            images=self.images.pin_memory(),
            label_maps=self.label_maps.pin_memory(),
            targets=self.targets.pin_memory(),
        )


class TrainingStream(Dataset):
    """Draws from the data sets, one per source of the recipe, in proportion to the weights of the sources."""

    def __init__(self, config: TrainingConfig, datasets: Sequence[LabeledDataset]) -> None:
        self.config = config
        self.augmentation = config.augmentation
        self.datasets = datasets
        weights = np.array([float(source.get("weight", 1.0)) for source in config.sources])
        self.probabilities = weights / weights.sum()

    def __getitem__(self, position: int) -> Batch:
        """Return a batch of one image."""
        rng = np.random.default_rng((self.config.seed, position))
        dataset = self.datasets[rng.choice(len(self.datasets), p=self.probabilities)]
        sample = dataset[int(rng.integers(len(dataset)))]
        config = self.config
        side = config.shorter_side  # folded into the random scale, which saves a second resize
        sample = augment(sample, rng, self.augmentation, 1.0 if side is None else side / min(sample.label_map.shape))
        panoptic = config.task == "panoptic"
        targets = panoptic_targets(sample, dataset.labels) if panoptic else semantic_targets(sample)
        images = torch.from_numpy(sample.rgb)[None].permute(0, 3, 1, 2)  # channels last, as the network wants them
        label_map = torch.from_numpy(np.ascontiguousarray(sample.label_map))
        return Batch(images, label_map[None], targets, [sample.name], [int(rng.integers(2**63))])

    def __getitems__(self, positions: Sequence[int]) -> list[Batch] | BiSeNetFormerError:
        """For DataLoader. Errors are returned: raised, they would carry the traceback of the worker."""
        try:
            return [self[position] for position in positions]
        except BiSeNetFormerError as error:
            return error


class BatchPositions(Sampler[list[int]]):
    """Yields the stream positions of each batch from iteration `first` to before `last`.

    Process `rank` of `num_processes` gets the rank-th part of each batch.
    """

    def __init__(self, first: int, last: int, batch_size: int, rank: int = 0, num_processes: int = 1) -> None:
        self.iterations = range(first, last)
        self.batch_size = batch_size
        self.piece = batch_size // num_processes
        self.offset = rank * self.piece

    def __len__(self) -> int:
        return len(self.iterations)

    def __iter__(self) -> Iterator[list[int]]:
        for iteration in self.iterations:
            start = iteration * self.batch_size + self.offset
            yield list(range(start, start + self.piece))


def collate(batches: Sequence[Batch] | BiSeNetFormerError) -> Batch | BiSeNetFormerError:
    """Concatenate batches; an error is passed on."""
    if isinstance(batches, BiSeNetFormerError):
        return batches
    return Batch(
        torch.cat([batch.images for batch in batches]),
        torch.cat([batch.label_maps for batch in batches]),
        Targets.cat([batch.targets for batch in batches]),
        [name for batch in batches for name in batch.names],
        [seed for batch in batches for seed in batch.seeds],
    )


def begin_worker(_: int) -> None:
    """Initialize a loader process."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal sends Ctrl-C here as well, but the run needs the loader
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
