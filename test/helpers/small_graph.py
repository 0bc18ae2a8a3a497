"""A graph as `bisenetformer export` writes them, with a very small network in it."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metadata import ModelMetadata

SIZE = (6, 8)
CLASS_LOGITS = ((4.0, 0.0, 0.0), (0.0, 3.0, 0.0))
"""Of the two queries of `write_logits_graph`, for two classes and none."""

AREA = 7.0


def write_graph(
    path: Path, precision: str, dynamic_batch: bool, task: str = "semantic", symmetric: bool = False
) -> Path:
    """The label is 1 where a pixel is red, the confidence is its green channel.

    In fp16, a part of the semantic graph is in float16, and it has a comparison and a shape.

    For the panoptic task: what is red is the region of the only query, which is of class 1, has the score that is asked
    for and, whatever the picture, AREA pixels.
    """
    batch = "B" if dynamic_batch else 1
    inputs = [helper.make_tensor_value_info("frames", TensorProto.UINT8, [batch, *SIZE, 3])]
    map_name = "label_map" if task == "semantic" else "query_map"
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, [batch, *SIZE]) for name in (map_name, "confidence")
    ]
    constants = [
        helper.make_tensor("red", TensorProto.INT64, [], [0]),
        helper.make_tensor("green", TensorProto.INT64, [], [1]),
        helper.make_tensor("half", TensorProto.FLOAT, [], [128.0]),
        helper.make_tensor("half_in_half", TensorProto.FLOAT16, [], [128.0]),
        helper.make_tensor("limit", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("none", TensorProto.FLOAT, [], [255.0]),
        helper.make_tensor("class", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("areas_box_centre", TensorProto.FLOAT, [9], [AREA, AREA, AREA, 0, 0, 8, 6, 4, 3]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("table_shape", TensorProto.INT64, [3], [1, 1, 11]),
    ]
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["floats", "red"], ["reds"], axis=3),
        helper.make_node("Gather", ["floats", "green"], ["greens"], axis=3),
        helper.make_node("Div", ["reds", "half"], ["ratio"]),
        helper.make_node("Floor", ["ratio"], ["is_red"]),
        helper.make_node("Cast", ["greens"], ["confidence"], to=TensorProto.UINT8),
    ]
    if (task, precision) == ("semantic", "fp16"):
        nodes[3:] = [
            helper.make_node("Cast", ["reds"], ["half_reds"], to=TensorProto.FLOAT16),
            helper.make_node("Div", ["half_reds", "half_in_half"], ["half_ratio"]),
            helper.make_node("Cast", ["half_ratio"], ["ratio"], to=TensorProto.FLOAT),
            helper.make_node("GreaterOrEqual", ["ratio", "limit"], ["is_red"]),
            helper.make_node("Shape", ["greens"], ["sizes"]),
            helper.make_node("Reshape", ["greens", "sizes"], ["same_greens"]),
            helper.make_node("Cast", ["same_greens"], ["confidence"], to=TensorProto.UINT8),
        ]
    if task == "semantic":
        nodes.append(helper.make_node("Cast", ["is_red"], [map_name], to=TensorProto.UINT8))
    else:
        inputs.append(helper.make_tensor_value_info("score_threshold", TensorProto.FLOAT, []))
        outputs.append(helper.make_tensor_value_info("query_table", TensorProto.FLOAT, [1, 1, 11]))
        nodes += [
            helper.make_node("Mul", ["is_red", "none"], ["owned"]),
            helper.make_node("Sub", ["none", "owned"], ["query"]),
            helper.make_node("Cast", ["query"], [map_name], to=TensorProto.UINT8),
            helper.make_node("Reshape", ["score_threshold", "one"], ["score"]),
            helper.make_node("Concat", ["class", "score", "areas_box_centre"], ["row"], axis=0),
            helper.make_node("Reshape", ["row", "table_shape"], ["query_table"]),
        ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(nodes, "red", inputs, outputs, [tensor for tensor in constants if tensor.name in used])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = ModelMetadata("red", {"name": "none"}, LabelMap.load("camvid11"))
    info = GraphInfo(metadata, task, SIZE, precision, "rgb", dynamic_batch, "0", symmetric=symmetric)
    helper.set_model_props(model, info.to_strings())
    onnx.save(model, str(path))
    return path


def write_logits_graph(path: Path, task: str, dynamic_batch: bool) -> Path:
    """A graph that ends at the logits: the masks of its queries, 4x4, are the corner of the frame's red and green."""
    batch = "B" if dynamic_batch else 1
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, [batch, *SIZE, 3])
    outputs = [
        helper.make_tensor_value_info("class_logits", TensorProto.FLOAT, [batch, 2, 3]),
        helper.make_tensor_value_info("mask_logits", TensorProto.FLOAT, [batch, 2, 4, 4]),
    ]
    constants = [
        helper.make_tensor("starts", TensorProto.INT64, [3], [0, 0, 0]),
        helper.make_tensor("ends", TensorProto.INT64, [3], [4, 4, 2]),
        helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("middle", TensorProto.FLOAT, [], [100.0]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("two", TensorProto.INT64, [1], [2]),
        helper.make_tensor("classes", TensorProto.FLOAT, [2, 3], [logit for row in CLASS_LOGITS for logit in row]),
    ]
    nodes = [
        helper.make_node("Slice", ["frames", "starts", "ends", "axes"], ["corner"]),
        helper.make_node("Cast", ["corner"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["masks"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["masks", "middle"], ["mask_logits"]),
        helper.make_node("ReduceMax", ["masks"], ["largest"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["largest", "zero"], ["zeros"]),
        helper.make_node("Unsqueeze", ["zeros", "two"], ["column"]),
        helper.make_node("Add", ["column", "classes"], ["class_logits"]),
    ]
    graph = helper.make_graph(nodes, "corner", [frames], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    labels = LabelMap("two", (Label(0, "road", False, (0, 0, 0)), Label(1, "car", True, (1, 1, 1))))
    metadata = ModelMetadata("corner", {"name": "none"}, labels)
    info = GraphInfo(metadata, task, SIZE, "fp32", "rgb", dynamic_batch, "0", ends_at="logits")
    helper.set_model_props(model, info.to_strings())
    onnx.save(model, str(path))
    return path
