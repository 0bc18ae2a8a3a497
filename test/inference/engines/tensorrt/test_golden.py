import hashlib
from pathlib import Path

import numpy as np
import pytest
from small_graph import SIZE, write_graph

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine
from bisenetformer_ros.inference.engines.tensorrt.golden import compare_with_onnxruntime, golden_frame
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.segmenter import Segmenter


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_graph(tmp_path_factory.mktemp("golden") / "red.onnx", "fp32", dynamic_batch=False)


class Imprecise:
    """An engine that gets the labels of the first pixels wrong."""

    def __init__(self, graph: Path, precision: str, wrong: int) -> None:
        self._engine = OnnxRuntimeEngine(graph, "semantic", "cpu")
        self.task, self.precision, self._wrong = "semantic", precision, wrong

    def segment(self, *arguments) -> list[SegmentationResult]:
        (result,) = self._engine.segment(*arguments)
        labels = result.label_map.copy()
        labels.flat[: self._wrong] += 1
        return [SegmentationResult(labels, result.confidence)]


@pytest.mark.parametrize(
    ("precision", "wrong", "passed", "words"),
    [
        ("fp32", 0, True, ": 100.00 % of labels"),
        ("fp32", 1, False, ": 97.92 % of labels"),
        ("fp16", 1, False, "(required: 99.5 %)"),
    ],
)
def test_labels_have_to_agree(graph: Path, precision: str, wrong: int, passed: bool, words: str) -> None:
    check = compare_with_onnxruntime(Imprecise(graph, precision, wrong), graph, SIZE)
    assert check.passed is passed
    assert words in check.finding


def test_without_the_graph_there_is_nothing_to_compare_with(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"none\.onnx is missing"):
        compare_with_onnxruntime(Imprecise(graph, "fp32", 0), tmp_path / "none.onnx", SIZE)


@pytest.mark.parametrize("size", [(360, 480), (33, 65), (1, 1)])
def test_the_picture_has_every_size_and_is_always_the_same(size: tuple[int, int]) -> None:
    frame = golden_frame(size)
    assert (frame.shape, frame.dtype) == ((*size, 3), np.uint8)
    digests = {hashlib.sha256(each.tobytes()).hexdigest() for each in (frame, golden_frame(size))}
    assert len(digests) == 1


def test_the_shipped_network_sees_most_of_its_classes_in_the_picture() -> None:
    frame = golden_frame((360, 480))
    result = Segmenter("bisenetformer-nano-camvid", engine="torch", task="semantic", device="cpu")(frame)
    assert len(np.unique(result.label_map)) >= 4
