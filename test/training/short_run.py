"""A training run of seconds: `python short_run.py DIRECTORY KILL_AFTER` ends itself hard after that many iterations."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model import build_model
from bisenetformer_ros.training import loop
from bisenetformer_ros.training.config import TrainingConfig

CHECKPOINT_EVERY = 2
ARCHITECTURE = {
    "name": "bisenetformer-nano",
    "channels": 8,
    "dim": 16,
    "num_heads": 2,
    "feedforward_dim": 16,
    "num_queries": 6,
    "num_blocks": 2,
}


class Squares:
    """Scenes of sky over road, with a car at a place of its own in each."""

    labels = LabelMap.load("camvid11")
    SKY, ROAD, CAR = 0, 3, 8

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Sample:
        label_map = np.full((80, 96), self.SKY, np.uint8)
        label_map[40:] = self.ROAD
        instance_map = np.zeros((80, 96), np.int32)
        box = (slice(30, 60), slice(20 * index, 20 * index + 30))
        label_map[box], instance_map[box] = self.CAR, 1
        colors = np.random.default_rng(index).integers(0, 40, (80, 96, 3)) + self.labels.palette[label_map] // 2
        return Sample(f"square{index}", colors.astype(np.uint8), label_map, instance_map)


def config(**changes: Any) -> TrainingConfig:
    values = {
        "name": "short",
        "architecture": ARCHITECTURE,
        "labels": "camvid11",
        "sources": ({"kind": "squares"},),
        "iterations": 6,
        "batch_size": 2,
        "crop_size": (64, 64),
        "num_points": 64,
        "auxiliary_weight": 1.0,
        "ema_decay": 0.5,
        "seed": 3,
    }
    return TrainingConfig(**{**values, **changes})


def trainer(directory: Path, **changes: Any) -> loop.Trainer:
    loop.CHECKPOINT_EVERY = CHECKPOINT_EVERY
    settings = config(**changes)
    torch.manual_seed(settings.seed)
    model = build_model(**settings.architecture, num_classes=len(Squares.labels))
    return loop.Trainer(settings, model, [Squares()], directory, torch.device("cpu"))


def killed_after(iterations: int) -> Callable[[dict[str, float]], None]:
    def kill(record: dict[str, float]) -> None:
        if record["iteration"] == iterations:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


if __name__ == "__main__":
    trainer(Path(sys.argv[1])).run(0, killed_after(int(sys.argv[2])))
