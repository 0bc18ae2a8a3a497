"""`torchrun --nproc-per-node 2 shared_validation.py DIRECTORY`: the figures that each process gets, as JSON."""

import json
import sys
from pathlib import Path

import short_run
import torch

from bisenetformer_ros.data.catalog import RenderedDrives
from bisenetformer_ros.model import load_model
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.training.distributed import World, joined_world
from bisenetformer_ros.training.validation import Validation


def measure(directory: Path, world: World) -> str:
    """Of the shipped weights on five frames, which two processes cannot halve."""
    dataset = RenderedDrives(first_seed=3, num_drives=1, frames_per_drive=5, size=(180, 240))
    config = short_run.config(architecture={"name": "bisenetformer-nano"})
    counts = []
    validation = Validation(config, dataset, directory, world, lambda *count: counts.append(count))
    record = validation.measure(load_model(find_model("bisenetformer-nano-camvid")).eval(), 10)
    figures = json.dumps({"best": validation.best, **record.figures, "of classes": record.per_class})
    return f"{counts[-1]} images, {len(record.pictures)} pictures, {figures}"


if __name__ == "__main__":
    with joined_world(torch.device("cpu")) as world:
        print(f"process {world.rank}: {measure(Path(sys.argv[1]), world)}")
