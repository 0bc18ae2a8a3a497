"""`bisenetformer convert`: a checkpoint of the authors, or a weights file of ours, to a weights file of ours."""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.checkpoint import load_checkpoint, save_model

DESCRIPTION = (
    "Turn the authors' model_final.pth into a weights file of this package; the structure is inferred from its "
    "tensors. A weights file of this package gets other labels, another input size or precision."
)
EXAMPLE = """bisenetformer convert model_final.pth bisenetformer-s-ade.safetensors --name bisenetformer-s-ade
bisenetformer convert nano.safetensors yard.safetensors --labels yard.yaml --input-size 360x640 --precision fp16"""

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IN", help="authors' .pth, or .safetensors of this package")
    parser.add_argument("output", type=Path, metavar="OUT", help="file to write, ends in .safetensors")
    parser.add_argument("--labels", help="label map: a YAML file or the name of a shipped one (default: as IN says)")
    parser.add_argument("--name", help="name of the model (default: as IN says)")
    parser.add_argument(
        "--input-size",
        type=input_size,
        metavar="N|HxW",
        help="shorter side, or box to fit into, of the images that the network shall see (default: as IN says)",
    )
    parser.add_argument("--precision", choices=DTYPES, default="fp32", help="of the file (default: %(default)s)")


def input_size(text: str) -> int | tuple[int, int]:
    """'640' → 640, '360x480' → (360, 480)."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f"expected N or HxW in pixels, such as 640 or 360x480, got {text}")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def run(args: argparse.Namespace) -> int:
    if args.output.suffix != ".safetensors" or not args.output.parent.is_dir():
        raise ConfigError(f"expected a .safetensors file in an existing folder to write to, got {args.output}")
    model, metadata = load_checkpoint(args.input)
    metadata = changed(metadata, args)
    save_model(args.output, model, metadata, DTYPES[args.precision])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"architecture: {', '.join(f'{key} {value}' for key, value in metadata.architecture.items())}")
    print(f"parameters:   {parameters / 1e6:.2f} M")
    print(f"classes:      {len(metadata.labels)} ({metadata.labels.name})")
    print(f"input size:   {metadata.input_size or 'as the camera delivers it'}")
    print(f"wrote {metadata.name} to {args.output}, {args.precision}, {args.output.stat().st_size / 1e6:.1f} MB")
    return 0


def changed(metadata: ModelMetadata, args: argparse.Namespace) -> ModelMetadata:
    """The metadata with what the command line says differently."""
    changes = {"name": args.name, "input_size": args.input_size}
    if args.labels:
        changes["labels"] = LabelMap.load(args.labels)
        if len(changes["labels"]) != len(metadata.labels):
            raise ConfigError(
                f"the network has {len(metadata.labels)} classes, the label map {args.labels} {len(changes['labels'])}"
            )
    return replace(metadata, **{key: value for key, value in changes.items() if value is not None})
