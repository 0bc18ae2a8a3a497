"""Graphs of `bisenetformer export --precision int8 --symmetric`: what TensorRT requires of quantizers."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bisenetformer_ros.inference.graph.contract import GraphInfo


@pytest.fixture(scope="module")
def path(exports: dict[str, tuple[Path, str]]) -> Path:
    return exports["int8"][0]


@pytest.fixture(scope="module")
def graph(path: Path) -> onnx.GraphProto:
    return onnx.load(path).graph


@pytest.fixture(scope="module")
def constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def test_values_are_signed_and_zero_points_are_zero(graph: onnx.GraphProto, constants: dict[str, np.ndarray]) -> None:
    quantizers = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert quantizers
    for node in quantizers:
        zero_point = constants[node.input[2]]
        assert zero_point.dtype == np.int8
        assert not zero_point.any()


def test_quantizers_come_in_pairs(graph: onnx.GraphProto) -> None:
    """Also those of weights, which stay in float32: TensorRT quantizes them itself."""
    readers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            assert set(readers[node.output[0]]) == {"DequantizeLinear"}
    quantized = {node.output[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    assert {node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"} == quantized


def test_weights_have_a_scale_per_channel_and_activations_one(
    graph: onnx.GraphProto, constants: dict[str, np.ndarray]
) -> None:
    makers = {name: node for node in graph.node for name in node.output}
    weights = set()
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in makers:
            weight, scale, _ = makers[makers[node.input[1]].input[0]].input
            weights.add(weight)
            largest = np.abs(constants[weight]).max(axis=(1, 2, 3))
            np.testing.assert_allclose(constants[scale], np.where(largest > 0, largest / 127, 1), rtol=0.01)
            assert all(constants[bias].dtype == np.float32 for bias in node.input[2:])
    assert len(weights) > 10
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
            if node.input[0] in weights:
                assert axes == [0]
            else:
                assert constants[node.input[1]].shape == ()


def test_the_metadata_and_the_command_say_so(path: Path) -> None:
    info = GraphInfo.load(path)
    assert (info.precision, info.symmetric) == ("int8", True)
    assert " ".join(info.export_command()[-5:]) == "--precision int8 --calibrate IMAGES --symmetric"
