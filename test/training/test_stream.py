from collections import Counter
from types import ModuleType

import torch
from torch.utils.data import DataLoader

from bisenetformer_ros.training.stream import Batch, TrainingStream, collate


def batches(stream: TrainingStream, num_workers: int) -> list[Batch]:
    return list(DataLoader(stream, batch_size=2, num_workers=num_workers, collate_fn=collate))


def same(one: Batch, other: Batch) -> bool:
    targets = zip(one.targets, other.targets, strict=True)
    return (
        one.names == other.names
        and torch.equal(one.images, other.images)
        and torch.equal(one.label_maps, other.label_maps)
        and all(torch.equal(a.class_ids, b.class_ids) and torch.equal(a.masks, b.masks) for a, b in targets)
    )


def test_the_number_of_workers_changes_nothing(short_run: ModuleType) -> None:
    stream = TrainingStream(short_run.config(), [short_run.Squares()], [1.0], length=8)
    alone, helped = batches(stream, num_workers=0), batches(stream, num_workers=2)
    assert len(alone) == 4
    assert all(same(one, other) for one, other in zip(alone, helped, strict=True))
    assert not same(alone[0], alone[1])


def test_another_seed_is_another_stream(short_run: ModuleType) -> None:
    streams = [TrainingStream(short_run.config(seed=seed), [short_run.Squares()], [1.0], 1) for seed in (3, 3, 4)]
    one, again, other = (stream[0] for stream in streams)
    assert same(one, again)
    assert not same(one, other)


def test_a_batch_holds_images_labels_and_targets_of_the_crop(short_run: ModuleType) -> None:
    stream = TrainingStream(short_run.config(crop_size=(64, 96)), [short_run.Squares()], [1.0], length=3)
    batch = collate([stream[0], stream[1], stream[2]])
    assert (batch.images.shape, batch.images.dtype) == ((3, 3, 64, 96), torch.uint8)
    assert (batch.label_maps.shape, batch.label_maps.dtype) == ((3, 64, 96), torch.int64)
    assert len(batch.targets) == len(batch.names) == 3
    for target, label_map in zip(batch.targets, batch.label_maps, strict=True):
        assert bool((target.masks.flatten(1).sum(dim=1) > 0).all())
        for class_id, mask in zip(target.class_ids, target.masks, strict=True):
            assert bool((label_map[mask.bool()] == class_id).all())


def test_sources_are_drawn_by_their_weights(short_run: ModuleType) -> None:
    class Renamed(short_run.Squares):
        def __getitem__(self, index: int) -> object:
            sample = super().__getitem__(index)
            return type(sample)("other", sample.rgb, sample.label_map, sample.instance_map)

    stream = TrainingStream(short_run.config(), [short_run.Squares(), Renamed()], [3.0, 1.0], length=400)
    counts = Counter(stream[position].names[0] == "other" for position in range(len(stream)))
    assert 70 <= counts[True] <= 130


def test_the_semantic_task_joins_instances(short_run: ModuleType) -> None:
    for task, joined in (("panoptic", False), ("semantic", True)):
        stream = TrainingStream(short_run.config(task=task), [TwoCars(short_run)], [1.0], length=20)
        most = max(stream[position].targets[0].class_ids.tolist().count(8) for position in range(20))
        assert most == (1 if joined else 2)


class TwoCars:
    """Each scene with its car split in two."""

    def __init__(self, short_run: ModuleType) -> None:
        self.scenes = short_run.Squares()
        self.labels = self.scenes.labels

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> object:
        sample = self.scenes[index]
        sample.instance_map[:45] *= 2
        return sample
