"""Weights files for benchmarks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bisenetformer_ros.benchmark.widening import widen
from bisenetformer_ros.errors import ConfigError, ModelError
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.builders import BUILDERS, build_model
from bisenetformer_ros.model.checkpoint import load_checkpoint, save_model
from bisenetformer_ros.resources import SHIPPED_MODEL, find_model

WIDENED = "bisenetformer-stdc1"
NUM_CLASSES = 19
"""Of Cityscapes, as in the paper's speed tables."""
NUM_STAGES, NUM_LEVELS = 3, 2
"""Of every architecture by default."""
LABEL_MAPS = {19: "cityscapes19", 150: "ade20k150"}


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


def variant(queries: int | None, levels: int | None, stages: int | None, classes: int | None) -> dict[str, int]:
    """Return the keywords of `build_model` for the options of an ablation; None keeps the architecture's value."""
    options = {"num_classes": classes, "num_queries": queries, "num_levels": levels}
    if levels is not None or stages is not None:
        options["num_blocks"] = (stages or NUM_STAGES) * (levels or NUM_LEVELS)
    return {name: value for name, value in options.items() if value is not None}


def prepare_model(model: str, folder: Path, options: Mapping[str, int]) -> BenchmarkModel:
    """Write the weights to measure into `folder`.

    The input size in the metadata is dropped, so that frames are segmented at their own size.

    Args:
        model: A weights file, the name of a model, or an architecture, which gets generated weights.
        folder: For the file.
        options: Of `variant`; an architecture with any gets random weights.

    Raises:
        ModelError: There is no such model.
        ConfigError: There are options, but the model is not an architecture, or it has no such variant.
    """
    path = folder / "model.safetensors"
    if model in BUILDERS:
        return _architecture(model, path, options)
    if options:
        raise ConfigError(
            f"--queries, --levels, --stages and --classes build a variant of an architecture, got --model {model}: "
            f"choose one of {', '.join(BUILDERS)}, or omit these options"
        )
    try:
        source = find_model(model)
    except ModelError as error:
        raise ModelError(f"'{model}' is no architecture ({', '.join(BUILDERS)}), and {error}") from None
    network, metadata = load_checkpoint(source)
    metadata = replace(metadata, input_size=None)
    save_model(path, network, metadata)
    return BenchmarkModel(path, metadata, f"trained, {metadata.name}")


def _architecture(name: str, path: Path, options: Mapping[str, int]) -> BenchmarkModel:
    architecture: dict[str, Any] = {"name": name, "num_classes": NUM_CLASSES, **options}
    torch.manual_seed(0)
    network = build_model(**architecture)
    num_classes = architecture["num_classes"]
    shipped = LABEL_MAPS.get(num_classes)
    labels, weights = LabelMap.load(shipped) if shipped else LabelMap.anonymous(num_classes), "random"
    is_widened = name == WIDENED and not options
    if is_widened:
        trained, of_trained = load_checkpoint(find_model(SHIPPED_MODEL))
        widen(trained, network)
        labels, weights = _pad_labels(of_trained.labels), f"those of {SHIPPED_MODEL}, widened to this architecture"
    title = ", ".join([name, *(f"{key} {value}" for key, value in options.items())])
    metadata = ModelMetadata(title, architecture, labels)
    save_model(path, network, metadata)
    return BenchmarkModel(path, metadata, weights, finds_objects=is_widened)


def _pad_labels(labels: LabelMap) -> LabelMap:
    unused = range(len(labels), NUM_CLASSES)
    more = tuple(Label(i, f"unused_{i}", is_thing=True, color=(0, 0, 0)) for i in unused)
    return LabelMap(f"{labels.name} padded to {NUM_CLASSES}", (*labels.labels, *more))
