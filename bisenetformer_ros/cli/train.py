"""`bisenetformer train`: from a recipe to a weights file."""

import argparse
import subprocess
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bisenetformer_ros.data.catalog import open_sources
from bisenetformer_ros.engines.torch import resolve_device
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model import build_model
from bisenetformer_ros.model.checkpoint import load_weights, save_model
from bisenetformer_ros.resources import config_file
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.loop import Trainer

DESCRIPTION = """Train a network by a recipe (a YAML file, or the name of one in config/train).
The run lives in its output directory; the same command continues it after an interruption."""
EXAMPLE = """bisenetformer train --config camvid-nano --root ~/data/camvid --out runs/nano
bisenetformer train --config my_recipe.yaml --root ~/data/mine --out runs/mine --device cuda"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, help="recipe: a YAML file or a name from config/train")
    parser.add_argument("--root", type=Path, help="folder of the labelled images on disk")
    parser.add_argument("--out", type=Path, required=True, help="directory of the run: checkpoint, log and weights")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that load images (default: %(default)s)")
    parser.add_argument(
        "--restart", action="store_true", help="forget an earlier run in --out instead of continuing it"
    )


def run(args: argparse.Namespace) -> int:
    device = resolve_device(args.device)
    config = TrainingConfig.load(args.config)
    labels = LabelMap.load(config.labels)
    console = Console(stderr=True)
    console.print(f"[bold]{config.name}[/]: opening {', '.join(source['kind'] for source in config.sources)}")
    datasets = open_sources(config.sources, args.root)
    for source, dataset in zip(config.sources, datasets, strict=True):
        if dataset.labels != labels:
            raise ConfigError(f"data set {source['kind']} has the labels {dataset.labels.name}, not {config.labels}")
        console.print(f"  {source['kind']}: {len(dataset)} images")
    torch.manual_seed(config.seed)
    architecture = {**config.architecture, "num_classes": len(labels)}
    model = build_model(**architecture)
    if config.initial_weights is not None:
        load_weights(model, config_file("models", config.initial_weights, ".safetensors"))
    trainer = Trainer(config, model, datasets, args.out, device)
    if args.restart:
        for leftover in (trainer.checkpoint_path, args.out / "log.jsonl"):
            leftover.unlink(missing_ok=True)
    if trainer.resume():
        console.print(f"  continuing after iteration {trainer.iteration} of {config.iterations}")
    started, first_iteration = time.time(), trainer.iteration
    model = _train(trainer, args.workers, console)
    provenance = {
        "recipe": config.name,
        "sources": [dict(source) for source in config.sources],
        "iterations": config.iterations,
        "batch_size": config.batch_size,
        "commit": _commit(),
        "hours_of_last_stretch": round((time.time() - started) / 3600, 2),
        "iterations_of_last_stretch": config.iterations - first_iteration,
        "torch": torch.__version__,
    }
    weights = args.out / f"{config.name}.safetensors"
    metadata = ModelMetadata(config.name, architecture, labels, config.input_size, provenance=provenance)
    save_model(weights, model, metadata, torch.float16)
    console.print(f"weights: {weights}")
    return 0


def _train(trainer: Trainer, num_workers: int, console: Console) -> torch.nn.Module:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(
            "training", total=trainer.config.iterations, completed=trainer.iteration, status="starting"
        )

        def show(record: dict[str, float]) -> None:
            status = (
                f"loss {record['loss']:.2f}, step {record['step_s']:.2f} s, waited {record['data_s']:.2f} s for data"
            )
            progress.update(task, completed=record["iteration"], status=status)

        return trainer.run(num_workers, show)


def _commit() -> str:
    """The commit of this checkout, 'unknown' outside one."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
