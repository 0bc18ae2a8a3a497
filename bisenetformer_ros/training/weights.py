"""Weights files of a run."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.checkpoint import save_model
from bisenetformer_ros.training.config import TrainingConfig

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


class WeightsWriter:
    """Writes weights in the precision of the recipe; their header records it, with their provenance."""

    def __init__(self, config: TrainingConfig, labels: LabelMap) -> None:
        self.config = config
        self.labels = labels
        self.provenance = {
            "recipe": config.name,
            "task": config.task,
            "sources": [dict(source) for source in config.sources],
            "initial_weights": config.initial_weights,
            "batch_size": config.batch_size,
            "weights_precision": config.weights_precision,
            "commit": _commit(),
            "torch": torch.__version__,
        }

    def write(self, path: Path, model: BiSeNetFormer, iteration: int, more: Mapping[str, Any]) -> None:
        """Replace `path` atomically; `more` is added to the provenance."""
        architecture = {**self.config.architecture, "num_classes": len(self.labels)}
        provenance = {**self.provenance, "iterations": iteration, **more}
        metadata = ModelMetadata(
            self.config.name,
            architecture,
            self.labels,
            self.config.input_size,
            provenance=provenance,
            task=self.config.task,
        )
        save_model(path, model, metadata, DTYPES[self.config.weights_precision])


def _commit() -> str:
    """Return the commit of this checkout, or 'unknown' outside one."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
