"""Exports a model as an ONNX graph from frames to results, for ONNX Runtime, OpenVINO and TensorRT 8.6 to 11.

TensorRT 8.6 reads opset 17; PyTorch's exporter writes 18 or later. Of the operators used here only the reductions and
Resize differ, so a downgrade takes a few attributes. The result is checked.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from bisenetformer_ros import __version__
from bisenetformer_ros.file_hash import sha256_of
from bisenetformer_ros.inference.graph.contract import MAX_BATCH, GraphInfo
from bisenetformer_ros.inference.graph.int8 import quantize
from bisenetformer_ros.inference.graph.module import SegmentationGraph
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.libraries import OLDEST_EXPORTING_TORCH, check_torch
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.model.folding import fold

OPSET = 17
IR_VERSION = 8
"""Version of the file format: that of ONNX 1.13, with which TensorRT 8.6 is built."""
EXPORTERS_OPSET = 18
SINCE_18 = {"noop_with_empty_axes", "antialias", "keep_aspect_ratio_policy"}
"""Attributes unknown to opset 17; the exporter leaves them at what opset 17 does."""


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
        task: "semantic" or "panoptic".
        frame_size: (height, width) of the camera's frames.
        precision: "fp32", "fp16" or "int8".
        colours: Channel order of the frames, "rgb" or "bgr".
        dynamic_batch: Whether a run takes any number of frames rather than one.
        symmetric: For int8: signed activations without zero points, for TensorRT; see `quantize`.
        ends_at: One of GRAPH_ENDS.
    """

    task: str
    frame_size: tuple[int, int]
    precision: str = "fp32"
    colours: str = "rgb"
    dynamic_batch: bool = False
    symmetric: bool = False
    ends_at: str = "results"


def build_onnx(
    weights: Path,
    options: ExportOptions,
    calibration: Sequence[np.ndarray] = (),
    semantic_order: SemanticOrder = "full",
) -> onnx.ModelProto:
    """Build the graph with its metadata, and check it for consistency.

    Args:
        weights: Weights file.
        options: Options of the export.
        calibration: For int8, representative (H, W, 3) uint8 RGB frames of the graph's size.
        semantic_order: See `postprocess_semantic`; "coarse" is for comparisons with the authors' SDK.

    Raises:
        EngineError: PyTorch is too old to export.
        ModelError: The weights cannot be loaded.
    """
    check_torch(OLDEST_EXPORTING_TORCH, "export", "export on a workstation and copy the graph")
    model, metadata = load_checkpoint(weights)
    graph = SegmentationGraph(
        fold(model),
        metadata,
        options.task,
        options.frame_size,
        options.precision,
        options.colours,
        semantic_order,
        options.ends_at,
    ).eval()
    info = GraphInfo(
        metadata,
        **vars(options),
        weights_sha256=sha256_of(weights),
        tools={"bisenetformer_ros": __version__, "torch": torch.__version__, "onnx": onnx.__version__},
    )
    proto = _trace(graph, info)
    _remove_traces(proto)
    _downgrade_to_opset_17(proto)
    helper.set_model_props(proto, info.to_strings())
    proto.producer_name, proto.producer_version = "bisenetformer_ros", __version__
    if options.precision == "int8":
        proto = quantize(proto, calibration, options.symmetric)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _trace(graph: SegmentationGraph, info: GraphInfo) -> onnx.ModelProto:
    batch = 2 if info.dynamic_batch else 1  # the exporter takes a batch of one as a constant
    frames = torch.zeros(batch, *info.frame_size, 3, dtype=torch.uint8)
    arguments = (frames, torch.tensor(0.5))[: len(info.inputs)]
    shapes = {0: torch.export.Dim("batch", min=1, max=MAX_BATCH)} if info.dynamic_batch else None
    for noisy in ("torch.onnx", "onnxscript"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about PyTorch's internals
        program = torch.onnx.export(
            graph,
            arguments,
            input_names=info.inputs,
            output_names=info.outputs,
            dynamic_shapes=(shapes, None)[: len(arguments)] if info.dynamic_batch else None,
            opset_version=EXPORTERS_OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _remove_traces(proto: onnx.ModelProto) -> None:
    """Remove the exporter's notes on nodes and values: source lines, with paths of this machine."""
    graph = proto.graph
    for item in (proto, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del item.metadata_props[:]
        item.doc_string = ""


def _downgrade_to_opset_17(proto: onnx.ModelProto) -> None:
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        kept = [attribute for attribute in node.attribute if attribute.name not in SINCE_18]
        if node.op_type in ("ReduceMax", "ReduceMean", "ReduceMin"):
            axes = numpy_helper.to_array(constants[node.input.pop()])
            kept.append(helper.make_attribute("axes", axes.tolist()))
        del node.attribute[:]
        node.attribute.extend(kept)
    used = {name for node in proto.graph.node for name in node.input}
    initializers = [tensor for tensor in proto.graph.initializer if tensor.name in used]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(initializers)
    proto.opset_import[0].version, proto.ir_version = OPSET, IR_VERSION
