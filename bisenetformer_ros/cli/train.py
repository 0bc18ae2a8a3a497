"""`bisenetformer train`: train a network by a recipe."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from bisenetformer_ros.cli.check_data import check_data
from bisenetformer_ros.data.catalog import open_sources, require_labels
from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.errors import ConfigError, ModelError
from bisenetformer_ros.inference.engines.torch import resolve_device
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model import build_model
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.initialization import initialize
from bisenetformer_ros.numbers import counted
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.distributed import World, default_workers, joined_world, wait_for_all
from bisenetformer_ros.training.loop import Trainer
from bisenetformer_ros.training.observers import (
    WANDB_ID,
    LogFile,
    PictureFolder,
    ProgressDisplay,
    TensorBoard,
    TrainingObserver,
    WeightsAndBiases,
)
from bisenetformer_ros.training.run_lock import run_lock
from bisenetformer_ros.training.run_state import RunState
from bisenetformer_ros.training.validation import Validation
from bisenetformer_ros.training.weights import WeightsWriter

DESCRIPTION = """Train a network by a recipe: a YAML file, or the name of one in config/train.
The output directory holds the run; the same command continues it after an interruption. Under torchrun, one process per
GPU trains on its part of each batch."""
EXAMPLE = """bisenetformer train --config camvid-nano --root ~/data/camvid --out runs/nano
bisenetformer train --config my_recipe.yaml --out runs/mine --device cuda --workers 8 --tensorboard
torchrun --nproc-per-node 8 -m bisenetformer_ros.cli train --config cityscapes-panoptic-stdc2 \\
    --root ~/data/cityscapes --initial-weights stdc2-imagenet --out runs/stdc2 --device cuda --workers 6"""

LOG = "log.jsonl"
SIGNALLED = 128
"""Exit code, plus the number of the signal, by the convention of shells."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="recipe: a YAML file or a name in config/train")
    parser.add_argument("--root", type=Path, help="folder of the data sets on disk")
    purpose = parser.add_mutually_exclusive_group(required=True)
    purpose.add_argument("--out", type=Path, help="directory of the run: run state, log and weights")
    purpose.add_argument(
        "--check-data", action="store_true", help="read all images and labels once and list every problem"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, help="loader processes per device (default: its share of the CPU cores less one)"
    )
    parser.add_argument(
        "--initial-weights",
        metavar="FILE",
        help="initial weights instead of the recipe's: file or name of a network or an ImageNet backbone",
    )
    parser.add_argument("--tensorboard", action="store_true", help="write curves and pictures for TensorBoard")
    parser.add_argument("--wandb", action="store_true", help="send curves and pictures to Weights & Biases")
    parser.add_argument("--restart", action="store_true", help="start over instead of continuing the run in --out")


def run(args: argparse.Namespace) -> int:
    config = TrainingConfig.load(args.config)
    if args.check_data:
        return check_data(config, args.root)
    if args.initial_weights is not None:
        config = replace(config, initial_weights=args.initial_weights)
    with joined_world(resolve_device(args.device)) as world:
        return _train(args, config, world)


def _train(args: argparse.Namespace, config: TrainingConfig, world: World) -> int:
    console = Console(stderr=True, quiet=not world.is_main, soft_wrap=True)
    labels = LabelMap.load(config.labels)
    console.print(f"[bold]{config.name}[/]")
    datasets = _open(config.sources, args.root, "train", labels, console)
    validation = None
    if config.validation is not None:
        (dataset,) = _open([config.validation], args.root, "val", labels, console)
        validation = Validation(config, dataset, args.out, world)
    torch.manual_seed(config.seed)
    model = build_model(**config.architecture, num_classes=len(labels))
    with run_lock(args.out) if world.is_main else nullcontext(True) as is_locked:
        if not is_locked:
            console.print(f"  the file system of {args.out} has no locks: start no second training there")
        run_state = RunState(args.out / "checkpoint.pt", config)
        if args.restart and world.is_main:
            run_state.remove()
            for name in (LOG, WANDB_ID):
                (args.out / name).unlink(missing_ok=True)
        wait_for_all()
        if config.initial_weights is not None and not run_state.exists():
            _initialize(model, config, labels, console)
        trainer = Trainer(config, model, datasets, run_state, world, validation)
        if trainer.resume():
            console.print(f"  continuing after iteration {trainer.iteration} of {config.iterations}")
        writer = WeightsWriter(config, labels)  # names the commit with which the run starts
        with ExitStack() as stack:
            observers = _observers(args, trainer, console) if world.is_main else []
            for observer in observers:
                stack.enter_context(observer)
            stopped_by = trainer.run(default_workers() if args.workers is None else args.workers, observers)
        if stopped_by is not None:
            console.print(f"stopped after iteration {trainer.iteration}, state saved; the same command continues")
            return SIGNALLED + stopped_by
        if world.is_main:
            weights = args.out / f"{config.name}.safetensors"
            hours = {"hours": round(trainer.seconds / 3600, 2)}
            writer.write(weights, trainer.learner.final_model, trainer.iteration, hours)
            console.print(f"weights: {weights}, {config.weights_precision}")
    return 0


def _open(
    sources: Sequence[Mapping[str, Any]], root: Path | None, split: str, labels: LabelMap, console: Console
) -> list[LabeledDataset]:
    datasets = open_sources(sources, root, split)
    for source, dataset in zip(sources, datasets, strict=True):
        require_labels(dataset, source["kind"], labels)
        console.print(f"  {source['kind']}: {counted(len(dataset), 'image')}")
    return datasets


def _initialize(model: BiSeNetFormer, config: TrainingConfig, labels: LabelMap, console: Console) -> None:
    try:
        path = find_model(str(config.initial_weights))
    except ModelError as error:
        raise ConfigError(f"--initial-weights FILE, by default the recipe's initial_weights: {error}") from None
    console.print(f"  {initialize(model, path, labels, config.strict)}", markup=False, highlight=False)


def _observers(args: argparse.Namespace, trainer: Trainer, console: Console) -> list[TrainingObserver]:
    observers: list[TrainingObserver] = [LogFile(args.out / LOG), PictureFolder(args.out / "pictures")]
    if args.tensorboard:
        observers.append(TensorBoard(args.out / "tensorboard", trainer.iteration))
    if args.wandb:
        observers.append(WeightsAndBiases(args.out, trainer.config))
    progress = ProgressDisplay(console, trainer.iteration, trainer.config.iterations)
    if trainer.validation is not None:
        trainer.validation.on_image = progress.on_validation_image
    return [*observers, progress]
