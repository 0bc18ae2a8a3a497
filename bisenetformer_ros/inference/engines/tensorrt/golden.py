"""Compares an engine with ONNX Runtime on the graph that it was built from, by one image: the golden frame."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.agreement import MIN_LABELS, THRESHOLDS
from bisenetformer_ros.inference.engines.base import Engine


@dataclass(frozen=True)
class GoldenCheck:
    """The outcome of a comparison.

    Attributes:
        passed: Whether enough labels agree.
        finding: How many do, as text for messages.
    """

    passed: bool
    finding: str


def compare_with_onnxruntime(engine: Engine, graph: Path, frame_size: tuple[int, int]) -> GoldenCheck:
    """Compare an engine with ONNX Runtime.

    Args:
        engine: The engine under test.
        graph: The ONNX file that it was built from.
        frame_size: (height, width) of its frames.

    Raises:
        EngineError: If the graph is missing or ONNX Runtime is not installed.
    """
    from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine

    if not graph.is_file():
        raise EngineError(f"{graph} is missing: an engine is compared with ONNX Runtime on its graph before it is used")
    reference = OnnxRuntimeEngine(graph, engine.task, "cpu")
    frame = golden_frame(frame_size)
    expected, found = (each.segment([frame], *THRESHOLDS)[0].label_map for each in (reference, engine))
    agreement, limit = float((expected == found).mean()), MIN_LABELS[engine.precision]
    finding = f"agreement with ONNX Runtime: {100 * agreement:.2f} % of labels (required: {100 * limit:g} %)"
    return GoldenCheck(agreement >= limit, finding)


def golden_frame(size: tuple[int, int]) -> np.ndarray:
    """Draw the same simple street of (height, width) `size` every time: sky, houses, road, two trees, a car.

    Returns:
        (H, W, 3) uint8 RGB with soft shading and noise, as flat areas say little about a network.
    """
    height, width = size
    canvas = np.zeros((360, 480, 3), np.uint8)
    canvas[:] = np.linspace((150, 190, 235), (225, 230, 235), 360)[:, None]
    for x, top, color in ((0, 60, (150, 110, 90)), (110, 110, (190, 180, 160)), (330, 40, (120, 120, 130))):
        cv2.rectangle(canvas, (x, top), (x + 140, 230), color, -1)
    for x in (230, 300):
        cv2.circle(canvas, (x, 150), 35, (60, 110, 45), -1)
        cv2.rectangle(canvas, (x - 4, 150), (x + 4, 225), (80, 60, 40), -1)
    cv2.rectangle(canvas, (0, 220), (480, 360), (165, 160, 155), -1)
    cv2.fillPoly(canvas, [np.array([(210, 220), (270, 220), (460, 360), (20, 360)])], (85, 85, 90))
    cv2.fillPoly(canvas, [np.array([(239, 235), (242, 235), (246, 360), (234, 360)])], (235, 235, 225))
    cv2.rectangle(canvas, (270, 225), (340, 275), (170, 25, 30), -1)
    cv2.rectangle(canvas, (282, 212), (328, 232), (40, 45, 55), -1)
    for x in (285, 325):
        cv2.circle(canvas, (x, 275), 10, (20, 20, 20), -1)
    noise = np.random.default_rng(0).normal(0, 6, canvas.shape)
    soft = cv2.GaussianBlur(canvas, (0, 0), 1.2) + noise
    return cv2.resize(soft.clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
