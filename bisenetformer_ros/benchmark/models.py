"""Weights files for benchmarks."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bisenetformer_ros.benchmark.widening import widen
from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.builders import BUILDERS, build_model
from bisenetformer_ros.model.checkpoint import load_checkpoint, save_model
from bisenetformer_ros.resources import SHIPPED_MODEL, find_model

WIDENED = "bisenetformer-stdc1"
NUM_CLASSES = 19
"""Of Cityscapes, as in the paper's speed tables."""


@dataclass(frozen=True)
class BenchmarkModel:
    """A model to measure.

    Attributes:
        weights: Description of the weights, for reports.
        finds_objects: False if no query is confident, so that a panoptic benchmark must keep them all.
    """

    path: Path
    metadata: ModelMetadata
    weights: str
    finds_objects: bool = True


def prepare_model(model: str, folder: Path) -> BenchmarkModel:
    """Write the weights to measure into `folder`.

    The input size in the metadata is dropped, so that frames are segmented at their own size.

    Args:
        model: A weights file, the name of a model, or an architecture, which gets generated weights.
        folder: For the file.

    Raises:
        ModelError: There is no such model.
    """
    path = folder / "model.safetensors"
    if model in BUILDERS:
        return _architecture(model, path)
    try:
        source = find_model(model)
    except ModelError as error:
        raise ModelError(f"'{model}' is no architecture ({', '.join(BUILDERS)}), and {error}") from None
    network, metadata = load_checkpoint(source)
    metadata = replace(metadata, input_size=None)
    save_model(path, network, metadata)
    return BenchmarkModel(path, metadata, f"trained, {metadata.name}")


def _architecture(name: str, path: Path) -> BenchmarkModel:
    architecture: dict[str, Any] = {"name": name, "num_classes": NUM_CLASSES}
    torch.manual_seed(0)
    network = build_model(**architecture)
    labels, weights = LabelMap.load("cityscapes19"), "random"
    if name == WIDENED:
        trained, of_trained = load_checkpoint(find_model(SHIPPED_MODEL))
        widen(trained, network)
        labels, weights = _pad_labels(of_trained.labels), f"those of {SHIPPED_MODEL}, widened to this architecture"
    metadata = ModelMetadata(name, architecture, labels)
    save_model(path, network, metadata)
    return BenchmarkModel(path, metadata, weights, finds_objects=name == WIDENED)


def _pad_labels(labels: LabelMap) -> LabelMap:
    unused = range(len(labels), NUM_CLASSES)
    more = tuple(Label(i, f"unused_{i}", is_thing=True, color=(0, 0, 0)) for i in unused)
    return LabelMap(f"{labels.name} padded to {NUM_CLASSES}", (*labels.labels, *more))
