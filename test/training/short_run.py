"""A training run of seconds.

`python short_run.py DIRECTORY ITERATION CHANGES` begins or continues it and kills itself after that iteration; CHANGES
of the recipe are JSON.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model import build_model
from bisenetformer_ros.training import loop
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.distributed import World
from bisenetformer_ros.training.learner import Learner
from bisenetformer_ros.training.observers import LogFile, TrainingObserver
from bisenetformer_ros.training.run_state import RunState
from bisenetformer_ros.training.validation import Validation

RUN_STATE = "checkpoint.pt"
SAVE_EVERY = 2
ALONE = World(0, 1, torch.device("cpu"))
ARCHITECTURE = {
    "name": "bisenetformer-nano",
    "channels": 8,
    "dim": 16,
    "num_heads": 2,
    "feedforward_dim": 16,
    "num_queries": 6,
    "num_blocks": 2,
}

SHARED_BY_TWO = {
    "iterations": 20,
    "batch_size": 4,
    "ema_decay": 0.9,
    "validation": {"kind": "squares"},
    "validate_every": 10,
}
"""Changes of the recipe for the comparison of two processes with one."""


class Squares:
    """Scenes of sky over road, with a car at a place of its own in each."""

    labels = LabelMap.load("camvid11")
    has_instances = True
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


def learner(world: World = ALONE, **changes: Any) -> Learner:
    settings = config(**changes)
    torch.manual_seed(settings.seed)
    return Learner(settings, build_model(**settings.architecture, num_classes=len(Squares.labels)), 11, world)


def trainer(directory: Path, world: World = ALONE, dtype: torch.dtype = torch.float32, **changes: Any) -> loop.Trainer:
    """With the validation set of the recipe if it has one: the squares that it trains on."""
    loop.SAVE_EVERY = SAVE_EVERY
    settings = config(**changes)
    torch.manual_seed(settings.seed)
    model = build_model(**settings.architecture, num_classes=len(Squares.labels)).to(dtype)
    validation = Validation(settings, Squares(), directory, world) if settings.validation else None
    return loop.Trainer(settings, model, [Squares()], RunState(directory / RUN_STATE, settings), world, validation)


class Ending(TrainingObserver):
    """Runs an action after an iteration."""

    def __init__(self, iteration: int, end: Callable[[], None]) -> None:
        self.iteration = iteration
        self.end = end

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        if iteration == self.iteration:
            self.end()


if __name__ == "__main__":
    directory, changes = Path(sys.argv[1]), json.loads(sys.argv[3])
    directory.mkdir(parents=True, exist_ok=True)
    run = trainer(directory, **changes)
    run.resume()
    with LogFile(directory / "log.jsonl") as log:
        run.run(0, [log, Ending(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL))])
