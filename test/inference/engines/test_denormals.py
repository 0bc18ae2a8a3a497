"""Numbers below the normal range, each test in a process of its own, since the mode of a thread stays."""

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_graph import SIZE, write_graph

from bisenetformer_ros.inference.engines.opening import open_engine

TEST = Path(__file__).parents[2]
FLUSHED = """
import sys, threading, torch
torch.set_num_threads(2)
tiny = torch.full((1_000_000,), 1e-40)  # large enough for both threads of OpenMP, which exist from now on

def flushed():
    "The share of numbers that the threads that compute take for zero, seen in their bits."
    return ((tiny * 0.5).view(torch.int32) == 0).float().mean().item()

def in_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]

assert flushed() == 0
"""
needs_openmp_5 = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "omp_pause_resource_all"), reason="OpenMP cannot end its threads"
)


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", FLUSHED + script, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@needs_openmp_5
def test_every_thread_that_computes_flushes() -> None:
    run("""
from bisenetformer_ros.inference.engines.denormals import flush_denormals
go, results = threading.Event(), []

def older():
    before = flushed()
    results.append(before)
    go.wait()
    flush_denormals()
    results.append(flushed())

thread = threading.Thread(target=older, daemon=True)
thread.start()
flush_denormals()
assert flushed() == 1
assert in_thread(flushed) == 1
go.set()
thread.join()
assert results == [0, 1], results
loader = torch.utils.data.DataLoader([0, 1], num_workers=1, collate_fn=lambda _: flushed())
assert list(loader) == [1, 1]
torch.set_flush_denormal(False)  # as a library might
flush_denormals()
assert flushed() == 1
""")


@needs_openmp_5
def test_an_engine_flushes_in_the_thread_that_calls_it(random_weights: Path) -> None:
    run(
        """
import numpy
from bisenetformer_ros.inference.engines.torch import TorchEngine
engine = in_thread(lambda: TorchEngine(sys.argv[1], "semantic", "cpu", "fp32"))
assert flushed() == 0
engine.segment([numpy.zeros((64, 96, 3), numpy.uint8)], 0.5, 0.5)
assert flushed() == 1
""",
        random_weights,
    )


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_graphs_flush(name: str, tmp_path: Path) -> None:
    """The confidence is the square of a number whose square is denormal, times the inverse of that square."""
    pytest.importorskip(name)
    path = write_graph(tmp_path / "red.onnx", "fp32", dynamic_batch=False)
    model = onnx.load(path)
    nodes, constants = model.graph.node, model.graph.initializer
    (cast,) = (node for node in nodes if node.output[0] == "confidence")
    nodes.remove(cast)
    constants.extend(onnx.helper.make_tensor(name, 1, [], [value]) for name, value in (("k", 1e-20), ("r", 3e38)))
    nodes.extend(
        onnx.helper.make_node(*node)
        for node in (
            ("Mul", ["greens", "k"], ["small"]),
            ("Mul", ["small", "small"], ["square"]),
            ("Mul", ["square", "r"], ["one"]),
        )
    )
    nodes.append(onnx.helper.make_node("Cast", ["one"], ["confidence"], to=onnx.TensorProto.UINT8))
    onnx.save(model, path)
    engine = open_engine(path, "semantic", name, "cpu", "fp32")
    (kept,) = engine.segment([np.full((*SIZE, 3), 20, np.uint8)], 0.5, 0.5)  # 4e-38 is normal
    (flushed,) = engine.segment([np.full((*SIZE, 3), 10, np.uint8)], 0.5, 0.5)  # 1e-38 is denormal
    assert kept.confidence.min() >= 11  # 12, rounded down
    assert flushed.confidence.max() == 0


def test_labels_stay() -> None:
    """Of the model that ships, on a rendered street."""
    run("""
import numpy
from bisenetformer_ros.inference.engines import torch as engines
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.streets import StreetDrive

frames = [StreetDrive(2, size=(192, 256))[40].rgb]
engine = engines.TorchEngine(find_model("bisenetformer-nano-camvid"), "panoptic", "cpu", "fp32")
real, engines.flush_denormals = engines.flush_denormals, lambda: None
(expected,) = engine.segment(frames, 0.5, 0.5)
assert flushed() == 0
engines.flush_denormals = real
(result,) = engine.segment(frames, 0.5, 0.5)
assert result.segments
numpy.testing.assert_array_equal(result.label_map, expected.label_map)
numpy.testing.assert_array_equal(result.panoptic_map, expected.panoptic_map)
numpy.testing.assert_array_equal(result.confidence, expected.confidence)
""")


def test_losses_stay(tmp_path: Path) -> None:
    losses = json.loads(
        run(
            """
import json, pathlib
sys.path.insert(0, sys.argv[1])
import short_run
from bisenetformer_ros.training import loop

class Losses(list, short_run.TrainingObserver):
    def on_iteration(self, iteration, record):
        self.append(record["loss"])

def train(name):
    folder = pathlib.Path(sys.argv[2]) / name
    folder.mkdir()
    losses = Losses()
    short_run.trainer(folder, iterations=3).run(0, [losses])
    return losses

real, loop.flush_denormals = loop.flush_denormals, lambda: None
kept = train("kept")
assert flushed() == 0
loop.flush_denormals = real
print(json.dumps([kept, train("flushed"), flushed()]))
""",
            TEST / "training",
            tmp_path,
        )
    )
    kept, flushed, share = losses
    assert len(kept) == 3
    assert flushed == pytest.approx(kept, rel=1e-6)
    assert share > 0  # 1 where OpenMP can end its threads
