"""Metadata of a weights file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.tasks import TASKS

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""RGB mean of ImageNet, 0..255, by which the authors normalize."""
IMAGENET_STD = (58.395, 57.12, 57.375)

FORMAT_VERSION = "1"


@dataclass(frozen=True)
class ModelMetadata:
    """Everything an engine needs besides the weights.

    Attributes:
        architecture: Keywords of `build_model`, {"name": …, "num_classes": …, …}.
        input_size: None for the camera's size, an int for the length of the shorter side, (height, width) for a box to
            fit into and pad to. The aspect ratio is always kept.
        pixel_mean: R, G, B, 0..255; the network subtracts it, and padding uses it.
        pixel_std: R, G, B, 0..255.
        provenance: Origin of the weights: data, iterations, commit, measured quality; free text and numbers.
        task: One of TASKS, for which the weights were trained.
    """

    name: str
    architecture: Mapping[str, Any]
    labels: LabelMap
    input_size: int | tuple[int, int] | None = None
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN
    pixel_std: tuple[float, float, float] = IMAGENET_STD
    provenance: Mapping[str, Any] = field(default_factory=dict)
    task: str = "panoptic"

    def to_strings(self) -> dict[str, str]:
        """Convert to a flat mapping of strings, as in headers of safetensors and ONNX files."""
        return {
            "format": FORMAT_VERSION,
            "name": self.name,
            "architecture": json.dumps(dict(self.architecture)),
            "labels": json.dumps(self.labels.to_dict()),
            "input_size": json.dumps(self.input_size),
            "pixel_mean": json.dumps(self.pixel_mean),
            "pixel_std": json.dumps(self.pixel_std),
            "provenance": json.dumps(dict(self.provenance)),
            "task": self.task,
        }

    @classmethod
    def from_strings(cls, strings: Mapping[str, str]) -> "ModelMetadata":
        """Invert `to_strings`. Raises ModelError, which names what is missing or corrupt.

        Files without a task predate it and count as panoptic.
        """
        missing = [key for key in ("format", "name", "architecture", "labels") if key not in strings]
        if missing:
            raise ModelError(f"the file's header lacks {', '.join(missing)}: not written by this package")
        if strings["format"] != FORMAT_VERSION:
            raise ModelError(f"the file has format {strings['format']}, this version reads format {FORMAT_VERSION}")
        task = strings.get("task", "panoptic")
        if task not in TASKS:
            raise ModelError(f"the file's header is corrupt: task is '{task}', expected one of {', '.join(TASKS)}")
        try:
            size = json.loads(strings.get("input_size", "null"))
            return cls(
                name=strings["name"],
                architecture=json.loads(strings["architecture"]),
                labels=LabelMap.from_dict(json.loads(strings["labels"])),
                input_size=tuple(size) if isinstance(size, list) else size,
                pixel_mean=tuple(json.loads(strings.get("pixel_mean", json.dumps(IMAGENET_MEAN)))),
                pixel_std=tuple(json.loads(strings.get("pixel_std", json.dumps(IMAGENET_STD)))),
                provenance=json.loads(strings.get("provenance", "{}")),
                task=task,
            )
        except (ValueError, TypeError) as error:
            raise ModelError(f"the file's header is corrupt: {error}") from error
