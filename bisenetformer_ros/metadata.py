"""What a weights file says about itself, beside the weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.labels import LabelMap

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""RGB mean of ImageNet in 0..255, the value that the authors' networks are normalized with."""
IMAGENET_STD = (58.395, 57.12, 57.375)

FORMAT_VERSION = "1"


@dataclass(frozen=True)
class ModelMetadata:
    """Everything an engine needs to know besides the weights.

    architecture: keywords of `build_model`, {"name": …, "num_classes": …, …}.
    input_size: None = the camera's size; int = length of the shorter side; (height, width) = a box to fit into and pad
        to. The aspect ratio is kept in every case.
    pixel_mean, pixel_std: RGB in 0..255; the network normalizes, padding uses the mean.
    provenance: where the weights come from: data, iterations, commit, measured quality; free text and numbers.
    """

    name: str
    architecture: Mapping[str, Any]
    labels: LabelMap
    input_size: int | tuple[int, int] | None = None
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN
    pixel_std: tuple[float, float, float] = IMAGENET_STD
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_strings(self) -> dict[str, str]:
        """Flat string mapping, as the headers of safetensors and ONNX files hold it."""
        return {
            "format": FORMAT_VERSION,
            "name": self.name,
            "architecture": json.dumps(dict(self.architecture)),
            "labels": json.dumps(self.labels.to_dict()),
            "input_size": json.dumps(self.input_size),
            "pixel_mean": json.dumps(self.pixel_mean),
            "pixel_std": json.dumps(self.pixel_std),
            "provenance": json.dumps(dict(self.provenance)),
        }

    @classmethod
    def from_strings(cls, strings: Mapping[str, str]) -> "ModelMetadata":
        """The inverse of `to_strings`; raises ModelError that names what is missing or damaged."""
        missing = [key for key in ("format", "name", "architecture", "labels") if key not in strings]
        if missing:
            raise ModelError(f"the file's header lacks {', '.join(missing)}: not written by this package")
        if strings["format"] != FORMAT_VERSION:
            raise ModelError(f"the file has format {strings['format']}, this version reads format {FORMAT_VERSION}")
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
            )
        except (ValueError, TypeError) as error:
            raise ModelError(f"the file's header is corrupt: {error}") from error
