"""Files written by `bisenetformer export`: TensorRT's requirements, and metadata."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, numpy_helper

from bisenetformer_ros.file_hash import sha256_of
from bisenetformer_ros.inference.graph.contract import INPUTS, OUTPUTS, GraphInfo
from bisenetformer_ros.model.checkpoint import read_metadata

OPERATORS = yaml.safe_load(Path(__file__).with_name("tensorrt_operators.yaml").read_text(encoding="utf-8"))["operators"]
NVIDIA_TYPES = {
    TensorProto.FLOAT: "FP32",
    TensorProto.FLOAT16: "FP16",
    TensorProto.INT64: "INT64",
    TensorProto.UINT8: "UINT8",
    TensorProto.INT8: "INT8",
    TensorProto.BOOL: "BOOL",
}


@pytest.fixture(scope="module")
def graph(exported: Path) -> onnx.GraphProto:
    model = onnx.load(exported)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    return onnx.shape_inference.infer_shapes(model, strict_mode=True).graph


def types(graph: onnx.GraphProto) -> dict[str, int]:
    """Name of every value → its type."""
    declared = {
        value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info)
    }
    return declared | {tensor.name: tensor.data_type for tensor in graph.initializer}


def operands(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, str]]:
    for node in graph.node:
        for name in (*node.input, *node.output):
            if name:
                yield node, name


COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "Less")
"""The lists name what they compare; what they give is BOOL, as ONNX has it."""
LATER_OPERANDS_ARE_NUMBERS = ("Clip", "Pad", "ReduceSum", "Reshape", "Resize", "Slice", "Unsqueeze")
"""Operators whose listed types are those of the first operand; the others are bounds, sizes and axes, all constant."""
QUANTIZERS = ("DequantizeLinear", "QuantizeLinear")
"""Their listed types are those of the first operand, which they convert."""


def test_operators_and_types_are_supported_by_every_tensorrt(graph: onnx.GraphProto) -> None:
    kinds = types(graph)
    refused = set()
    for node, name in operands(graph):
        kind = NVIDIA_TYPES[kinds[name]]
        compared = node.op_type in COMPARISONS and name in node.output and kind == "BOOL"
        converted = node.op_type in QUANTIZERS and name != node.input[0]
        number = node.op_type in LATER_OPERANDS_ARE_NUMBERS and name in node.input[1:]
        for version, allowed in OPERATORS[node.op_type].items():
            narrowed = "INT32" if (version, kind) == ("8.6", "INT64") else kind
            if narrowed not in allowed and not compared and not number and not converted:
                refused.add((version, node.op_type, kind))
    assert refused == set()


def test_uint8_occurs_only_at_inputs_and_outputs(graph: onnx.GraphProto) -> None:
    kinds = types(graph)
    ends = {value.name for value in (*graph.input, *graph.output)}
    touching = {(node.op_type, name) for node, name in operands(graph) if kinds[name] == TensorProto.UINT8}
    assert {name for _, name in touching} <= ends
    assert {operator for operator, _ in touching} == {"Cast"}
    casts = [
        node for node in graph.node if node.op_type == "Cast" and (node.input[0] in ends or node.output[0] in ends)
    ]
    for cast in casts:
        floats = [name for name in (*cast.input, *cast.output) if name not in ends]
        assert [kinds[name] for name in floats] == [TensorProto.FLOAT]


def test_reductions_and_slices_have_constant_axes(graph: onnx.GraphProto) -> None:
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("ReduceSum", "Pad", "Slice", "Unsqueeze", "Clip"):
            assert set(filter(None, node.input[1:])) <= constants, node
        if node.op_type in ("ReduceMax", "ReduceMean", "ReduceMin"):
            assert len(node.input) == 1
        if node.op_type == "LayerNormalization":
            assert len(node.output) == 1


def test_constants_are_finite(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        assert np.isfinite(numpy_helper.to_array(tensor)).all(), tensor.name


def test_what_casts_and_constants_give_fits_into_fp16(graph: onnx.GraphProto) -> None:
    """TensorRT 8.6 may compute them in it."""
    kinds, makers = types(graph), {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "Cast" and kinds[node.output[0]] == TensorProto.FLOAT:
            (name,) = node.input
            while name in makers and makers[name].op_type in ("Concat", "Reshape"):
                name = makers[name].input[0]
            small = kinds[name] in (TensorProto.FLOAT16, TensorProto.BOOL, TensorProto.UINT8)
            assert small or makers[name].op_type == "ArgMax", node
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            assert np.abs(numpy_helper.to_array(tensor)).max(initial=0) <= np.finfo(np.float16).max, tensor.name


def test_no_tensor_holds_all_masks_of_a_frame(graph: onnx.GraphProto) -> None:
    """100 queries and a frame of 2048x1024 make 800 MiB; here, the largest tensor is one strip."""
    largest = 0
    for value in graph.value_info:
        shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        largest = max(largest, 4 * int(np.prod(shape)))
    assert largest <= 40 * 2**20


def test_shapes_are_fixed_except_a_dynamic_batch(exported: Path, graph: onnx.GraphProto) -> None:
    dynamic = GraphInfo.load(exported).dynamic_batch
    for value in (*graph.input, *graph.output):
        dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if dims:
            assert dims.pop(0) == ("batch" if dynamic else 1)
        assert all(isinstance(dim, int) for dim in dims)


def test_inputs_and_outputs_are_those_of_the_task(exported: Path, graph: onnx.GraphProto) -> None:
    task = GraphInfo.load(exported).task
    assert tuple(value.name for value in graph.input) == INPUTS[task]
    assert tuple(value.name for value in graph.output) == OUTPUTS[task]


def test_weights_have_the_requested_precision(exported: Path, graph: onnx.GraphProto) -> None:
    expected = TensorProto.FLOAT16 if GraphInfo.load(exported).precision == "fp16" else TensorProto.FLOAT
    kinds = types(graph)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert {kinds[name] for node in convolutions for name in (*node.input, *node.output)} == {expected}
    assert {kinds[node.input[0]] for node in graph.node if node.op_type == "Softmax"} == {TensorProto.FLOAT}


def test_metadata_describes_the_graph(exported: Path, small_weights: Path) -> None:
    info = GraphInfo.load(exported)
    assert info.metadata == read_metadata(small_weights)
    assert info.weights_sha256 == sha256_of(small_weights)
    assert info.frame_size == (96, 128)
    assert (info.task, info.precision, info.colours, info.dynamic_batch) in (
        ("panoptic", "fp32", "rgb", False),
        ("semantic", "fp16", "bgr", True),
        ("semantic", "int8", "rgb", False),
    )
    assert info.tools.keys() == {"bisenetformer_ros", "torch", "onnx"}
    entry = {item.key: item.value for item in onnx.load(exported).metadata_props}["bisenetformer_graph"]
    assert json.loads(entry)["weights_sha256"] == info.weights_sha256


def test_the_graph_contains_no_local_paths(exported: Path) -> None:
    content = exported.read_bytes()
    for part in (str(Path.home()), str(Path(__file__).parents[3]), ".py"):
        assert part.encode() not in content
