"""The weights that a benchmark runs, as a file."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bisenetformer_ros.benchmark.widening import widen
from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.builders import BUILDERS, build_model
from bisenetformer_ros.model.checkpoint import load_checkpoint, save_model
from bisenetformer_ros.resources import SHIPPED_MODEL, config_file

WIDENED = "bisenetformer-stdc1"
NUM_CLASSES = 19
"""Of Cityscapes, as in the paper's tables of speed."""


@dataclass(frozen=True)
class BenchmarkModel:
    """weights: what they are, in words.

    finds_objects: false where no query is sure of anything, so that a panoptic task has to take them all.
    """

    path: Path
    metadata: ModelMetadata
    weights: str
    finds_objects: bool = True


def prepare_model(model: str, folder: Path) -> BenchmarkModel:
    """A weights file, a shipped model, or an architecture by its name, whose weights are then made up in `folder`.

    The network takes frames as they are: an input size in the metadata is left out, so that frames of every size cost
    what their size costs. Raises ModelError if there is no such model.
    """
    path = folder / "model.safetensors"
    if model in BUILDERS:
        return _architecture(model, path)
    try:
        source = config_file("models", model, ".safetensors")
    except FileNotFoundError as error:
        raise ModelError(f"model {error}, nor an architecture: {', '.join(BUILDERS)}") from None
    network, metadata = load_checkpoint(source)
    metadata = replace(metadata, input_size=None)
    save_model(path, network, metadata)
    return BenchmarkModel(path, metadata, f"trained, {metadata.name}")


def _architecture(name: str, path: Path) -> BenchmarkModel:
    architecture = {"name": name, "num_classes": NUM_CLASSES}
    torch.manual_seed(0)
    network = build_model(**architecture)
    labels, weights = LabelMap.load("cityscapes19"), "random"
    if name == WIDENED:
        trained, of_trained = load_checkpoint(config_file("models", SHIPPED_MODEL, ".safetensors"))
        widen(trained, network)
        labels, weights = _filled_up(of_trained.labels), f"those of {SHIPPED_MODEL}, widened to this architecture"
    metadata = ModelMetadata(name, architecture, labels)
    save_model(path, network, metadata)
    return BenchmarkModel(path, metadata, weights, finds_objects=name == WIDENED)


def _filled_up(labels: LabelMap) -> LabelMap:
    unused = range(len(labels), NUM_CLASSES)
    more = tuple(Label(i, f"unused_{i}", is_thing=True, color=(0, 0, 0)) for i in unused)
    return LabelMap(f"{labels.name} filled up to {NUM_CLASSES}", (*labels.labels, *more))
