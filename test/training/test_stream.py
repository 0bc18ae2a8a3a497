import subprocess
import sys
from collections import Counter
from types import ModuleType

import pytest
import torch
from torch.utils.data import DataLoader

from bisenetformer_ros.training.stream import Batch, BatchPositions, TrainingStream, collate


def batches(stream: TrainingStream, num_workers: int) -> list[Batch]:
    positions = BatchPositions(0, 4, batch_size=2)
    return list(DataLoader(stream, batch_sampler=positions, num_workers=num_workers, collate_fn=collate))


def same(one: Batch, other: Batch) -> bool:
    return (
        (one.names, one.seeds) == (other.names, other.seeds)
        and torch.equal(one.images, other.images)
        and torch.equal(one.label_maps, other.label_maps)
        and torch.equal(one.targets.segment_maps, other.targets.segment_maps)
        and all(torch.equal(*ids) for ids in zip(one.targets.class_ids, other.targets.class_ids, strict=True))
    )


@pytest.mark.parametrize("num_workers", [1, 3])
def test_the_number_of_workers_changes_nothing(short_run: ModuleType, num_workers: int) -> None:
    stream = TrainingStream(short_run.config(), [short_run.Squares()])
    alone, helped = batches(stream, num_workers=0), batches(stream, num_workers)
    assert len(alone) == 4
    assert all(same(one, other) for one, other in zip(alone, helped, strict=True))
    assert not same(alone[0], alone[1])


def test_another_seed_is_another_stream(short_run: ModuleType) -> None:
    streams = [TrainingStream(short_run.config(seed=seed), [short_run.Squares()]) for seed in (3, 3, 4)]
    one, again, other = (stream[0] for stream in streams)
    assert same(one, again)
    assert not same(one, other)


def test_every_image_has_a_seed_of_its_own(short_run: ModuleType) -> None:
    stream = TrainingStream(short_run.config(), [short_run.Squares()])
    assert len({stream[position].seeds[0] for position in range(20)}) == 20


@pytest.mark.parametrize("num_processes", [1, 2, 3, 6])
def test_processes_share_every_batch(num_processes: int) -> None:
    """Together they see what one process sees, batch by batch and in order."""
    alone = [list(batch) for batch in BatchPositions(2, 5, batch_size=6)]
    assert alone == [list(range(12, 18)), list(range(18, 24)), list(range(24, 30))]
    pieces = [BatchPositions(2, 5, 6, rank, num_processes) for rank in range(num_processes)]
    assert all(len(piece) == 3 for piece in pieces)
    together = [[position for part in parts for position in part] for parts in zip(*pieces, strict=True)]
    assert together == alone


def test_a_batch_holds_images_labels_and_targets_of_the_crop(short_run: ModuleType) -> None:
    stream = TrainingStream(short_run.config(crop_size=(64, 96)), [short_run.Squares()])
    batch = collate([stream[0], stream[1], stream[2]])
    assert (batch.images.shape, batch.images.dtype) == ((3, 3, 64, 96), torch.uint8)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert (batch.label_maps.shape, batch.label_maps.dtype) == ((3, 64, 96), torch.uint8)
    assert batch.targets.segment_maps.shape == (3, 64, 96)
    assert len(batch.targets.class_ids) == len(batch.names) == len(batch.seeds) == 3
    for class_ids, segment_map, label_map in zip(
        batch.targets.class_ids, batch.targets.segment_maps, batch.label_maps, strict=True
    ):
        for index, class_id in enumerate(class_ids):
            assert set(label_map[segment_map == index].tolist()) == {int(class_id)}


def test_sources_are_drawn_by_their_weights(short_run: ModuleType) -> None:
    class Renamed(short_run.Squares):
        def __getitem__(self, index: int) -> object:
            sample = super().__getitem__(index)
            return type(sample)("other", sample.rgb, sample.label_map, sample.instance_map)

    sources = ({"kind": "squares", "weight": 3.0}, {"kind": "renamed"})
    stream = TrainingStream(short_run.config(sources=sources), [short_run.Squares(), Renamed()])
    counts = Counter(stream[position].names[0] == "other" for position in range(400))
    assert 70 <= counts[True] <= 130


@pytest.mark.parametrize(("shorter_side", "labelled"), [(None, 80 * 96), (40, 40 * 48), (160, 160 * 192)])
def test_images_are_brought_to_their_shorter_side(
    short_run: ModuleType, shorter_side: int | None, labelled: int
) -> None:
    """The images have 80x96 pixels, and the crop holds all of them."""
    config = short_run.config(crop_size=(192, 192), scale_range=(1.0, 1.0), shorter_side=shorter_side)
    batch = TrainingStream(config, [short_run.Squares()])[0]
    assert int((batch.label_maps != 255).sum()) == labelled


def test_the_semantic_task_joins_instances(short_run: ModuleType) -> None:
    for task, joined in (("panoptic", False), ("semantic", True)):
        stream = TrainingStream(short_run.config(task=task), [TwoCars(short_run)])
        most = max(stream[position].targets.class_ids[0].tolist().count(8) for position in range(20))
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


def test_a_loader_process_survives_ctrl_c_and_kill() -> None:
    script = (
        "import os, signal\n"
        "from bisenetformer_ros.training.stream import begin_worker\n"
        "begin_worker(0)\n"
        "os.kill(os.getpid(), signal.SIGINT), os.kill(os.getpid(), signal.SIGTERM)\n"
        "print('alive')"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout == "alive\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="only CUDA pins memory")
def test_a_batch_is_pinned_whole(short_run: ModuleType) -> None:
    stream = TrainingStream(short_run.config(), [short_run.Squares()])
    batch = collate([stream[0], stream[1]])
    pinned = batch.pin_memory()
    assert same(pinned, batch)
    tensors = (pinned.images, pinned.label_maps, pinned.targets.segment_maps, *pinned.targets.class_ids)
    assert all(tensor.is_pinned() for tensor in tensors)
