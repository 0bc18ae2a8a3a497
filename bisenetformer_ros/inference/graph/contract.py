"""The contract of exported graphs: metadata, inputs and outputs. Needs no engine."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from bisenetformer_ros.commands import ours, pip_install, quoted
from bisenetformer_ros.errors import EngineError, ModelError
from bisenetformer_ros.file_hash import sha256_of
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.resources import SHIPPED_MODEL, find_model

FORMAT_VERSION = "1"
_ENTRY = "bisenetformer_graph"
"""Entry of the ONNX metadata for everything that ModelMetadata does not hold."""

FRAMES = "frames"
SCORE_THRESHOLD = "score_threshold"
LABEL_MAP = "label_map"
CONFIDENCE = "confidence"
QUERY_MAP = "query_map"
QUERY_TABLE = "query_table"
CLASS_LOGITS = "class_logits"
MASK_LOGITS = "mask_logits"

INPUTS = {"semantic": (FRAMES,), "panoptic": (FRAMES, SCORE_THRESHOLD)}
"""Inputs per task. frames: (B, H, W, 3) uint8 in the graph's channel order. score_threshold: () float32, 0 to 1."""
OUTPUTS = {"semantic": (LABEL_MAP, CONFIDENCE), "panoptic": (QUERY_MAP, CONFIDENCE, QUERY_TABLE)}
"""Outputs per task. label_map, query_map, confidence: (B, H, W) uint8. query_table: (B, N, 11) float32.

query_map holds the query whose region contains the pixel, or NO_QUERY; the table's columns are TABLE_COLUMNS.
"""
LOGITS = (CLASS_LOGITS, MASK_LOGITS)
"""Outputs of a graph without post-processing, which serves both tasks and whose only input is frames.

class_logits: (B, N, K+1) float32, the last class is "no object". mask_logits: (B, N, h, w) float32, covering the padded
image.
"""
GRAPH_ENDS = ("results", "logits")
"""What a graph may end at: OUTPUTS of its task, or LOGITS."""

GRAPH_PRECISIONS = ("fp32", "fp16", "int8")
MAX_BATCH = 64
"""Most frames in one run of a graph with a dynamic batch."""
NO_QUERY = 255
MAX_QUERIES = 255
TABLE_COLUMNS = (
    "class_id",  # most probable class; the number of classes means "no object"
    "score",  # its probability, 0..1
    "owned_area",  # pixels at which the query wins, at any probability
    "mask_area",  # pixels at which its mask probability is at least 0.5, whichever query wins
    "region_area",  # pixels with both, as in query_map
    "x_min",
    "y_min",
    "x_max",  # of the region's box, in pixels, max exclusive
    "y_max",
    "x_mean",
    "y_mean",  # mean pixel centre of the region
)
"""Areas and box are 0 for a query that takes no part. `postprocess_panoptic` defines the terms."""


@dataclass(frozen=True)
class GraphInfo:
    """Description of an exported graph.

    Attributes:
        metadata: Of the model.
        task: "semantic" or "panoptic".
        frame_size: (height, width) of frames and outputs.
        precision: Of the network inside, "fp32", "fp16" or "int8".
        colours: Channel order of the frames, "rgb" or "bgr".
        dynamic_batch: Whether a run takes any number of frames rather than one.
        weights_sha256: Of the weights file.
        tools: Name → version of the software that made the graph.
        symmetric: For int8: whether activations are signed without zero points, as TensorRT requires.
        ends_at: One of GRAPH_ENDS.
        path: The file that it was read from; None if it was not read from one.
    """

    metadata: ModelMetadata
    task: str
    frame_size: tuple[int, int]
    precision: str
    colours: str
    dynamic_batch: bool
    weights_sha256: str
    tools: Mapping[str, str] = field(default_factory=dict)
    symmetric: bool = False
    ends_at: str = "results"  # as in files that do not say
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def load(cls, path: Path) -> "GraphInfo":
        """Read the description from an ONNX file.

        Raises:
            ModelError: The file is missing, corrupt or not written by `bisenetformer export`.
            EngineError: The package onnx is not installed.
        """
        try:
            import onnx
            from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        except ImportError as error:
            raise EngineError(f"reading {path} needs the package onnx ({error}): {pip_install('onnx')}") from error
        try:
            graph = onnx.load(str(path), load_external_data=False)
        except (OSError, DecodeError) as error:
            raise ModelError(
                f"{path}: expected a graph written by `bisenetformer export`; the file is missing, corrupt or not ONNX "
                f"({error}); export it again, for example {_example_command(path)}"
            ) from error
        try:
            strings = {entry.key: entry.value for entry in graph.metadata_props}
            return replace(cls.from_strings(strings), path=path)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    @property
    def max_batch(self) -> int:
        return MAX_BATCH if self.dynamic_batch else 1

    @property
    def inputs(self) -> tuple[str, ...]:
        return (FRAMES,) if self.ends_at == "logits" else INPUTS[self.task]

    @property
    def outputs(self) -> tuple[str, ...]:
        return LOGITS if self.ends_at == "logits" else OUTPUTS[self.task]

    def check(self, path: Path, task: str) -> "GraphInfo":
        """Return the description for `task`. Raises EngineError, with the command, if the graph is for another one."""
        if self.ends_at == "logits":
            return replace(self, task=task)
        if task != self.task:
            command = quoted(replace(self, task=task).export_command())
            raise EngineError(f"{path} is for the {self.task} task, expected the {task} task; export one: {command}")
        return self

    def check_precision(self, path: Path, precision: str) -> None:
        """Check the precision for engines that cannot change that of the graph. Raises EngineError."""
        if precision not in ("auto", self.precision):
            raise EngineError(
                f"{path} has precision {self.precision}, expected {precision}; set precision to auto, or export again"
            )

    def to_strings(self) -> dict[str, str]:
        """Return the entries of the ONNX metadata: those of ModelMetadata and one more."""
        own = {name: value for name, value in vars(self).items() if name not in ("metadata", "path")}
        return self.metadata.to_strings() | {_ENTRY: json.dumps({"format": FORMAT_VERSION, **own})}

    @classmethod
    def from_strings(cls, strings: Mapping[str, str]) -> "GraphInfo":
        """Invert `to_strings`. Raises ModelError."""
        if _ENTRY not in strings:
            raise ModelError(
                "expected a graph written by `bisenetformer export`, got one without its metadata; export one, for "
                f"example {_example_command('graph.onnx')}"
            )
        metadata = ModelMetadata.from_strings(strings)
        try:
            values = json.loads(strings[_ENTRY])
            if (version := values.pop("format")) != FORMAT_VERSION:
                raise ModelError(f"the graph has format {version}, this version reads format {FORMAT_VERSION}")
            info = cls(metadata, **{**values, "frame_size": tuple(values["frame_size"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"the graph's metadata is corrupt: {type(error).__name__}: {error}") from error
        if info.ends_at not in GRAPH_ENDS:
            raise ModelError(f"the graph ends at '{info.ends_at}', expected one of {', '.join(GRAPH_ENDS)}")
        return info

    def export_command(self, output: Path | None = None) -> tuple[str, ...]:
        """Return the words of the command that exports this graph.

        Args:
            output: File to write. By default a new one beside that of the graph, or in the working directory.
        """
        size = "{}x{}".format(*self.frame_size)
        if output is None:
            beside = self.path or Path(f"{Path(self.metadata.name).name}.onnx")
            output = beside.with_name(f"{beside.stem}-{self.task}-{size}-{self.precision}.onnx")
        options = ["--size", size, "--task", self.task, "--precision", self.precision]
        options += ["--calibrate", "IMAGES"] if self.precision == "int8" else []
        options += ["--symmetric"] if self.symmetric else []
        options += ["--bgr"] if self.colours == "bgr" else []
        options += ["--dynamic-batch"] if self.dynamic_batch else []
        options += ["--engine", "openvino"] if self.ends_at == "logits" else []  # or onnxruntime, which is the same
        return ("bisenetformer", "export", self._find_weights(output.parent), str(output), *options)

    def _find_weights(self, folder: Path) -> str:
        """Return the model by its name if this finds the weights, else a file beside the graph, else a placeholder."""
        named = []
        with suppress(ModelError, ValueError):  # the name is not a path
            named = [(self.metadata.name, find_model(self.metadata.name))]
        folders = {folder, *([self.path.parent] if self.path else [])}
        beside = [(str(path), path) for place in sorted(folders) for path in sorted(place.glob("*.safetensors"))]
        for model, path in [*named, *beside]:
            with suppress(OSError):
                if sha256_of(path) == self.weights_sha256:
                    return model
        return "WEIGHTS"


def _example_command(output: str | Path) -> str:
    return ours("export", SHIPPED_MODEL, output, "--size", "480x640")
