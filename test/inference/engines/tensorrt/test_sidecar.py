import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.opening import resolve_task
from bisenetformer_ros.inference.engines.tensorrt.golden import GoldenCheck
from bisenetformer_ros.inference.engines.tensorrt.sidecar import Platform, Sidecar, sidecar_path
from bisenetformer_ros.inference.engines.tensorrt.tensors import DYNAMIC, TensorSpec
from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata

ORIN = Platform(
    tensorrt="10.3.0",
    cuda="12.6",
    gpu="Orin",
    compute_capability="8.7",
    multiprocessors=16,
    memory_mib=62840,
    power_mode="MAXN",
)


@pytest.fixture
def engine_path(tmp_path: Path) -> Path:
    """An engine file, with its graph in the folder beside its own."""
    (tmp_path / "engines").mkdir()
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "yard.onnx").write_bytes(b"the graph")
    path = tmp_path / "engines" / "yard.engine"
    path.write_bytes(b"the engine")
    return path


@pytest.fixture
def sidecar() -> Sidecar:
    return Sidecar(
        engine_sha256=hashlib.sha256(b"the engine").hexdigest(),
        onnx="../graphs/yard.onnx",
        onnx_sha256=hashlib.sha256(b"the graph").hexdigest(),
        graph=GraphInfo(
            ModelMetadata(
                "yard", {"name": "bisenetformer-nano"}, LabelMap.load("camvid11"), (360, 480), (1.0, 2.0, 3.0)
            ),
            task="panoptic",
            frame_size=(480, 640),
            precision="fp16",
            colours="rgb",
            dynamic_batch=True,
            weights_sha256="0123",
        ),
        platform=ORIN,
        max_batch=2,
        tensors=(
            TensorSpec("frames", True, "uint8", (DYNAMIC, 480, 640, 3)),
            TensorSpec("score_threshold", True, "float32", ()),
        ),
    )


@pytest.mark.parametrize(("golden", "dla_core"), [(None, None), (GoldenCheck(True, "99.97 % of the labels agree"), 1)])
def test_it_is_read_as_it_was_written(
    engine_path: Path, sidecar: Sidecar, golden: GoldenCheck | None, dla_core: int | None
) -> None:
    written = replace(sidecar, golden=golden, dla_core=dla_core)
    written.save(engine_path)
    assert Sidecar.load(engine_path) == written


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_it_has_the_task_of_its_engine_file(engine_path: Path, sidecar: Sidecar, task: str) -> None:
    replace(sidecar, graph=replace(sidecar.graph, task=task)).save(engine_path)
    assert resolve_task(engine_path, "auto") == task


def test_the_file_can_be_read_without_this_package(engine_path: Path, sidecar: Sidecar) -> None:
    sidecar.save(engine_path)
    content = json.loads((engine_path.parent / "yard.engine.json").read_text())
    assert content["platform"] == {
        "tensorrt": "10.3.0",
        "cuda": "12.6",
        "gpu": "Orin",
        "compute_capability": "8.7",
        "multiprocessors": 16,
        "memory_mib": 62840,
        "power_mode": "MAXN",
    }
    assert content["tensors"][0] == {"name": "frames", "is_input": True, "dtype": "uint8", "shape": [-1, 480, 640, 3]}
    assert json.loads(content["graph"]["pixel_mean"]) == [1.0, 2.0, 3.0]
    assert len(json.loads(content["graph"]["labels"])["labels"]) == 11


def test_what_fits_is_handed_out(engine_path: Path, sidecar: Sidecar) -> None:
    assert sidecar.check(engine_path, ORIN) == b"the engine"
    for same in ({"cuda": "12.2"}, {"memory_mib": 61000}, {"power_mode": ""}, {"power_mode": "MODE_30W"}):
        assert sidecar.check(engine_path, replace(ORIN, **same)) == b"the engine"


@pytest.mark.parametrize(
    ("here", "message"),
    [
        ({"tensorrt": "10.13.3.9"}, "built for TensorRT 10.3.0, here is 10.13.3.9"),
        ({"cuda": "13.0"}, "built for CUDA 12, here is 13"),
        ({"gpu": "NVIDIA L4", "compute_capability": "8.9"}, "built for GPU Orin, here is NVIDIA L4; built for compute"),
        (
            {"multiprocessors": 8, "power_mode": "MODE_15W"},  # the same board, with half of its GPU switched off
            "built for GPU with 16 multiprocessors, here is 8 multiprocessors; built in power mode MAXN, here",
        ),
        ({"memory_mib": 30700}, "built for GPU memory of 62840 MiB, here is 30700 MiB"),
    ],
)
def test_another_platform_is_named_on_both_sides(
    engine_path: Path, sidecar: Sidecar, here: dict[str, str], message: str
) -> None:
    with pytest.raises(EngineError) as error:
        sidecar.check(engine_path, replace(ORIN, **here))
    assert message in str(error.value)
    graph = engine_path.parents[1] / "graphs" / "yard.onnx"
    assert str(error.value).endswith(f"; rebuild it: `bisenetformer build-engine {graph} {engine_path}`")


@pytest.mark.parametrize(
    ("built", "here", "warning"),
    [
        ("MAXN", "MAXN", ""),
        ("MAXN", "MODE_30W", "built in power mode MAXN, here is MODE_30W"),
        ("MAXN", "", ""),  # in a container
        ("", "MAXN", ""),
    ],
)
def test_another_power_mode_is_a_warning(built: str, here: str, warning: str) -> None:
    assert replace(ORIN, power_mode=built).power_mode_warning(replace(ORIN, power_mode=here)) == warning


def test_a_graph_that_was_exported_anew_makes_the_engine_stale(engine_path: Path, sidecar: Sidecar) -> None:
    (engine_path.parents[1] / "graphs" / "yard.onnx").write_bytes(b"another graph")
    old, new = (hashlib.sha256(content).hexdigest()[:12] for content in (b"the graph", b"another graph"))
    with pytest.raises(EngineError, match=f"built from a graph with sha256 {old}…, yard.onnx has {new}…"):
        sidecar.check(engine_path, ORIN)


def test_an_engine_file_of_another_build_is_noticed(engine_path: Path, sidecar: Sidecar) -> None:
    engine_path.write_bytes(b"the engine, half")
    with pytest.raises(EngineError, match=r"the engine file is not the one described by yard\.engine\.json"):
        sidecar.check(engine_path, ORIN)


def test_an_engine_runs_without_its_graph_but_needs_it_to_be_built_again(engine_path: Path, sidecar: Sidecar) -> None:
    graph = engine_path.parents[1] / "graphs" / "yard.onnx"
    graph.unlink()
    assert sidecar.check(engine_path, ORIN) == b"the engine"
    assert sidecar.rebuild_command(engine_path) == (
        f"`bisenetformer export WEIGHTS {graph} --size 480x640 --task panoptic --precision fp16 --dynamic-batch && "
        f"bisenetformer build-engine {graph} {engine_path}` (WEIGHTS: the weights file)"
    )


def test_an_engine_for_a_dla_core_is_rebuilt_for_it(engine_path: Path, sidecar: Sidecar) -> None:
    assert replace(sidecar, dla_core=0).rebuild_command(engine_path).endswith(f" {engine_path} --dla-core 0`")


def test_a_file_from_before_the_dla_cores_is_read(engine_path: Path, sidecar: Sidecar) -> None:
    sidecar.save(engine_path)
    path = sidecar_path(engine_path)
    content = json.loads(path.read_text())
    del content["dla_core"]
    path.write_text(json.dumps(content))
    assert Sidecar.load(engine_path) == sidecar


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"expected a description of the engine in yard\.engine\.json beside it, but there is none"),
        ("{", "cannot be read"),
        ('{"format": 7}', "format 7, this version of the package reads format 2"),
        ('{"format": 2}', "cannot be read"),
        ("[]", "cannot be read"),
    ],
)
def test_a_missing_or_corrupt_sidecar_is_reported_with_the_command(
    engine_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        sidecar_path(engine_path).write_text(content)
    with pytest.raises(EngineError, match=message) as error:
        Sidecar.load(engine_path)
    assert f"bisenetformer build-engine GRAPH {engine_path}" in str(error.value)


def test_a_missing_engine_file_is_reported_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "my engine.engine"
    with pytest.raises(EngineError, match=f"no engine file at {path}; build it: `bisenetformer build-engine ") as e:
        Sidecar.load(path)
    assert str(e.value).endswith(f" GRAPH '{path}'` (GRAPH: the graph of `bisenetformer export`)")
