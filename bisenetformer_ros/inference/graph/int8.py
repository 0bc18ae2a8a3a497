"""Convolutions in 8-bit integers, by ranges that real frames show (post-training static quantization).

The convolutional part of the network alone: backbone, context path and feature fusion, without their gates, which
work on one pixel and cost nothing, and without the first convolution, from whose errors all others would suffer. On
generated streets 0.7 % of the labels differ instead of 2.5 %, for 8 % of a frame's time. The decoder and all that is
not the network stay as they are. For the CPU: activations are unsigned with a zero point, which TensorRT does not read.
"""

import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.inference.graph.runs import graph_inputs

OPERATORS = ("Conv", "Relu", "Concat", "AveragePool")
"""What keeps 8 bits from one convolution to the next."""


PERCENTILE = 99.999
"""Of the values of a feature map that its range holds. Those beyond are cut off; to hold them all, the steps between
the others would be coarser: on generated streets a third more of the labels would differ."""


class _Frames(CalibrationDataReader):
    """Frames one at a time: ONNX Runtime holds the feature maps of all that it is given at once."""

    def __init__(self, info: GraphInfo, frames: Sequence[np.ndarray]) -> None:
        self._info, self._frames = info, frames
        self._left = iter(frames)

    def __len__(self) -> int:
        return len(self._frames)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = iter(self._frames[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        frame = next(self._left, None)
        return None if frame is None else dict(graph_inputs([frame], self._info, score_threshold=0.5))


def quantize(proto: onnx.ModelProto, frames: Sequence[np.ndarray]) -> onnx.ModelProto:
    """proto: a graph in float32. frames: RGB, of the graph's size, such as it will see; some tens are enough."""
    info = GraphInfo.from_strings({entry.key: entry.value for entry in proto.metadata_props})
    with tempfile.TemporaryDirectory() as folder, _without_advice():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            proto,
            path,
            _Frames(info, frames),
            quant_format=QuantFormat.QDQ,
            calibrate_method=CalibrationMethod.Percentile,
            # one frame after the other, which the second option is for, whatever its name says
            extra_options={"CalibPercentile": PERCENTILE, "CalibStridedMinMax": 1},
            op_types_to_quantize=list(OPERATORS),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_kept_in_float(proto),
        )
        quantized = onnx.load(path)
    helper.set_model_props(quantized, replace(info, precision="int8").to_strings())
    quantized.producer_name, quantized.producer_version = proto.producer_name, proto.producer_version
    return quantized


def _kept_in_float(proto: onnx.ModelProto) -> list[str]:
    """Names of the first convolution, of those on maps of one pixel, and of the nodes behind the last one."""
    sizes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim[2:]] for value in proto.graph.value_info
    }
    nodes = proto.graph.node
    convolutions = [index for index, node in enumerate(nodes) if node.op_type == "Conv"]
    gates = [nodes[index].name for index in convolutions if sizes[nodes[index].output[0]] == [1, 1]]
    after = nodes[convolutions[-1] + 2 :]  # the ReLU of the last convolution belongs to it
    return [nodes[convolutions[0]].name, *gates, *(node.name for node in after)]


@contextmanager
def _without_advice() -> Iterator[None]:
    """ONNX Runtime recommends a preparation that these graphs do not need: they hold every shape already.

    And it prints what it is doing.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
