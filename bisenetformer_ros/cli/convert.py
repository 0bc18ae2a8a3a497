"""`bisenetformer convert`: convert a checkpoint to a weights file of this package."""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from bisenetformer_ros.cli.arguments import input_size
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.checkpoint import load_checkpoint, save_model
from bisenetformer_ros.tasks import TASKS

DESCRIPTION = (
    "Convert the authors' model_final.pth to a weights file of this package; the architecture is inferred from its "
    "tensors. Or change the labels, task, input size or precision of a weights file of this package."
)
EXAMPLE = """bisenetformer convert model_final.pth bisenetformer-s-ade.safetensors --name bisenetformer-s-ade
bisenetformer convert nano.safetensors yard.safetensors --labels yard.yaml --input-size 360x640 --precision fp16"""

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IN", help="authors' .pth, or .safetensors of this package")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write; must end in .safetensors")
    parser.add_argument("--labels", help="label map: YAML file or name of a shipped one (default: that of IN)")
    parser.add_argument("--name", help="name of the model (default: that of IN)")
    parser.add_argument(
        "--input-size",
        type=input_size,
        metavar="N|HxW",
        help="size to which images are resized, pixels: shorter side, or box to fit into (default: that of IN)",
    )
    parser.add_argument(
        "--task",
        choices=TASKS,
        help="task for which the weights were trained (default: that of IN; of a .pth, semantic)",
    )
    parser.add_argument("--precision", choices=DTYPES, default="fp32", help="of the weights (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    if args.output.suffix != ".safetensors" or not args.output.parent.is_dir():
        raise ConfigError(f"expected a .safetensors file in an existing folder to write to, got {args.output}")
    model, metadata = load_checkpoint(args.input)
    metadata = _changed(metadata, args)
    save_model(args.output, model, metadata, DTYPES[args.precision])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"architecture: {', '.join(f'{key} {value}' for key, value in metadata.architecture.items())}")
    print(f"parameters:   {parameters / 1e6:.2f} M")
    print(f"classes:      {len(metadata.labels)} ({metadata.labels.name})")
    print(f"task:         {metadata.task}")
    print(f"input size:   {metadata.input_size or 'that of the camera'}")
    print(f"wrote {metadata.name} to {args.output}, {args.precision}, {args.output.stat().st_size / 1e6:.1f} MB")
    return 0


def _changed(metadata: ModelMetadata, args: argparse.Namespace) -> ModelMetadata:
    """Return the metadata with the changes of the command line."""
    changes = {"name": args.name, "input_size": args.input_size, "task": args.task}
    if args.labels:
        changes["labels"] = LabelMap.load(args.labels)
        if len(changes["labels"]) != len(metadata.labels):
            classes = f"{len(metadata.labels)} classes, the label map {args.labels} has {len(changes['labels'])}"
            raise ConfigError(f"the network has {classes}")
    return replace(metadata, **{key: value for key, value in changes.items() if value is not None})
