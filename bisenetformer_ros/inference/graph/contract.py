"""What an exported graph says of itself, and the names of its inputs and outputs. Needs no engine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bisenetformer_ros.errors import EngineError, ModelError
from bisenetformer_ros.metadata import ModelMetadata

FORMAT_VERSION = "1"
_ENTRY = "bisenetformer_graph"
"""The entry of the ONNX metadata that says what the entries of ModelMetadata do not."""

FRAMES = "frames"
SCORE_THRESHOLD = "score_threshold"
LABEL_MAP = "label_map"
CONFIDENCE = "confidence"
QUERY_MAP = "query_map"
QUERY_TABLE = "query_table"

INPUTS = {"semantic": (FRAMES,), "panoptic": (FRAMES, SCORE_THRESHOLD)}
"""Per task. frames (B, H, W, 3) uint8, in the graph's order of colours; score_threshold () float32, 0..1."""
OUTPUTS = {"semantic": (LABEL_MAP, CONFIDENCE), "panoptic": (QUERY_MAP, CONFIDENCE, QUERY_TABLE)}
"""Per task. label_map, query_map and confidence (B, H, W) uint8, of the frame's size; query_table (B, N, 11) float32.

query_map holds the query in whose region a pixel lies, NO_QUERY for none; the columns are TABLE_COLUMNS.
"""

GRAPH_PRECISIONS = ("fp32", "fp16", "int8")
MAX_BATCH = 64
"""The most frames in one run of a graph with a dynamic batch."""
NO_QUERY = 255
MAX_QUERIES = 255
TABLE_COLUMNS = (
    "class_id",  # the most probable class, which is "no object" for the number of classes
    "score",  # its probability, 0..1
    "owned_area",  # pixels where the query is the most probable, at any probability
    "mask_area",  # pixels where its mask probability is at least 0.5, owned or not
    "region_area",  # pixels with both: those of the query_map
    "x_min",
    "y_min",
    "x_max",  # of the region's box, in pixels, max exclusive
    "y_max",
    "x_mean",
    "y_mean",  # mean pixel centre of the region
)
"""The areas and the box of a query that takes no part are 0. See `postprocess_panoptic` for what the terms mean."""


@dataclass(frozen=True)
class GraphInfo:
    """frame_size: (height, width) of the camera's frames, which the graph takes and gives back.

    precision: "fp32", "fp16" or "int8", of the network inside. colours: order of a frame's channels, "rgb" or "bgr".
    dynamic_batch: whether a run may take any number of frames, rather than one. weights_sha256: of the weights file.
    tools: name → version of what made the graph.
    """

    metadata: ModelMetadata
    task: str
    frame_size: tuple[int, int]
    precision: str
    colours: str
    dynamic_batch: bool
    weights_sha256: str
    tools: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "GraphInfo":
        """Of an ONNX file; raises ModelError if it is missing, damaged or not written by `bisenetformer export`."""
        try:
            import onnx
            from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        except ImportError as error:
            raise EngineError(f"reading {path} needs the package onnx ({error}); pip install onnx") from error
        try:
            graph = onnx.load(str(path), load_external_data=False)
        except (OSError, DecodeError) as error:
            raise ModelError(
                f"{path}: expected a graph that `bisenetformer export` wrote, this is missing, damaged or no ONNX file "
                f"({error}); make it again: bisenetformer export MODEL {path} --size HxW"
            ) from error
        try:
            return cls.from_strings({entry.key: entry.value for entry in graph.metadata_props})
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    @property
    def max_batch(self) -> int:
        return MAX_BATCH if self.dynamic_batch else 1

    def check(self, path: Path, task: str) -> None:
        """Raises EngineError, with the command that helps, unless the graph is for `task`."""
        if task != self.task:
            command = replace(self, task=task).export_command(self.metadata.name, "OUT.onnx")
            raise EngineError(f"{path} is for the {self.task} task, not for the {task} one; make another: {command}")

    def check_precision(self, path: Path, precision: str) -> None:
        """Raises EngineError, for an engine that leaves the graph's precision as it is, unless that is asked for."""
        if precision not in ("auto", self.precision):
            raise EngineError(
                f"precision {precision} was asked for, {path} has {self.precision}; set it to auto, or export again"
            )

    def to_strings(self) -> dict[str, str]:
        """The entries of the ONNX metadata: those of ModelMetadata, and one more."""
        own = {name: value for name, value in vars(self).items() if name != "metadata"}
        return self.metadata.to_strings() | {_ENTRY: json.dumps({"format": FORMAT_VERSION, **own})}

    @classmethod
    def from_strings(cls, strings: Mapping[str, str]) -> "GraphInfo":
        """The inverse of `to_strings`; raises ModelError for what it cannot read."""
        if _ENTRY not in strings:
            raise ModelError(
                "expected a graph that `bisenetformer export` wrote, this one does not say what it is; make one: "
                "bisenetformer export MODEL OUT.onnx --size HxW"
            )
        metadata = ModelMetadata.from_strings(strings)
        try:
            values = json.loads(strings[_ENTRY])
            if (version := values.pop("format")) != FORMAT_VERSION:
                raise ModelError(f"the graph has format {version}, this version reads format {FORMAT_VERSION}")
            return cls(metadata, **{**values, "frame_size": tuple(values["frame_size"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"the graph's metadata is damaged: {type(error).__name__}: {error}") from error

    def export_command(self, model: str, output: str) -> str:
        """What the user types to make this graph of the weights `model`."""
        height, width = self.frame_size
        options = f"--size {height}x{width} --task {self.task} --precision {self.precision}"
        if self.precision == "int8":
            options += " --calibrate IMAGES"
        return f"bisenetformer export {model} {output} {options}"
