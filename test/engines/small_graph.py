"""A graph as `bisenetformer export` writes them, with a very small network in it."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from bisenetformer_ros.engines.graph import GraphInfo
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata

SIZE = (6, 8)


def write_graph(path: Path, precision: str, dynamic_batch: bool) -> Path:
    """A "network" whose label is 1 where a pixel is red and whose confidence is its green channel."""
    batch = "B" if dynamic_batch else 1
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, [batch, *SIZE, 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, [batch, *SIZE]) for name in ("label_map", "confidence")
    ]
    constants = [
        helper.make_tensor("red", TensorProto.INT64, [], [0]),
        helper.make_tensor("green", TensorProto.INT64, [], [1]),
        helper.make_tensor("half", TensorProto.FLOAT, [], [128.0]),
    ]
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["floats", "red"], ["reds"], axis=3),
        helper.make_node("Gather", ["floats", "green"], ["greens"], axis=3),
        helper.make_node("Div", ["reds", "half"], ["ratio"]),
        helper.make_node("Floor", ["ratio"], ["label"]),
        helper.make_node("Cast", ["label"], ["label_map"], to=TensorProto.UINT8),
        helper.make_node("Cast", ["greens"], ["confidence"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(nodes, "red", [frames], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = ModelMetadata("red", {"name": "none"}, LabelMap.load("camvid11"))
    info = GraphInfo(metadata, "semantic", SIZE, precision, "rgb", dynamic_batch, "0")
    helper.set_model_props(model, info.to_strings())
    onnx.save(model, str(path))
    return path
