"""Which files a graph engine needs and how they are built, decided without any engine or GPU."""

import os
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines import plan
from bisenetformer_ros.inference.engines.capabilities import ENGINE_PRECISIONS, PRECISIONS
from bisenetformer_ros.inference.engines.plan import BuildStep, graph_precision, plan_engine, plan_files
from bisenetformer_ros.inference.graph.contract import GRAPH_PRECISIONS

SIZE = (480, 640)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, which does not exist."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bisenetformer_ros"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "street.safetensors"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def everything_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "find_spec", lambda name: ModuleSpec(name, None))


@pytest.mark.usefixtures("everything_installed")
def test_bf16_on_cuda_is_left_to_pytorch_which_is_the_only_engine_for_it(weights: Path) -> None:
    """A graph in fp16 would be built for minutes, rejected for its precision, and built again."""
    assert plan_files(weights, "semantic", "cuda:0", "bf16", SIZE) == []
    with pytest.raises(EngineError, match=r"tensorrt does not support .*'bf16' on cuda, .* set engine to torch"):
        plan_engine("tensorrt", weights, "semantic", "cuda:0", "bf16", SIZE)


@pytest.mark.usefixtures("everything_installed")
@pytest.mark.parametrize(("precision", "of_graph"), [("auto", "fp16"), ("fp32", "fp32"), ("fp16", "fp16")])
def test_tensorrt_gets_a_graph_in_the_precision_it_is_asked_for(
    weights: Path, cache: Path, precision: str, of_graph: str
) -> None:
    (planned,) = plan_files(weights, "panoptic", "cuda:0", precision, SIZE)
    assert (planned.engine, planned.device, planned.precision) == ("tensorrt", "cuda:0", precision)
    graph, engine = (cache / f"street-9a129038d9a0-panoptic-480x640-{of_graph}{end}" for end in (".onnx", ".engine"))
    options = f"--size 480x640 --task panoptic --precision {of_graph} --engine tensorrt"
    assert planned.build_command() == (
        f"`bisenetformer export {weights} {graph} {options} && bisenetformer build-engine {graph} {engine}`"
    )


@pytest.mark.usefixtures("everything_installed")
def test_int8_for_tensorrt_has_a_graph_of_its_own(weights: Path, cache: Path) -> None:
    graph, engine = (step.path for step in plan_engine("tensorrt", weights, "semantic", "cuda", "int8", SIZE).steps)
    stem = "street-9a129038d9a0-semantic-480x640-int8-symmetric"
    assert (graph, engine) == (cache / f"{stem}.onnx", cache / f"{stem}.engine")
    for kind, step in (
        ("tensorrt", plan_engine("tensorrt", weights, "semantic", "cuda", "int8", SIZE).steps[0]),
        ("openvino", plan_engine("openvino", weights, "semantic", "cpu", "int8", SIZE).steps[0]),
    ):
        assert ("--symmetric" in step.options, "-symmetric" in step.path.name) == (kind == "tensorrt",) * 2
        assert step.options[6:8] == ("--calibrate", "IMAGES")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "tensorrt"])
def test_every_supported_precision_has_a_graph_and_no_other(engine: str) -> None:
    for device, supported in ENGINE_PRECISIONS[engine].items():
        for precision in PRECISIONS:
            if precision in ("auto", *supported):
                assert graph_precision(engine, device, precision) in GRAPH_PRECISIONS
            else:
                with pytest.raises(EngineError, match=f"does not support precision '{precision}' on {device}"):
                    graph_precision(engine, device, precision)


def test_only_missing_files_are_built_and_the_last_one_always(weights: Path, cache: Path) -> None:
    planned = plan_engine("tensorrt", weights, "semantic", "cuda", "fp16", SIZE)
    export, build = planned.steps
    assert planned.pending() == [export, build]
    assert not cache.exists()
    cache.mkdir(parents=True)
    export.path.touch()
    assert planned.pending() == [build]
    planned.path.touch()
    assert planned.is_built
    assert planned.pending() == [build]  # asked for only if the engine file turned out to be unusable


def test_a_file_beside_the_weights_comes_first(weights: Path, cache: Path) -> None:
    in_cache = plan_engine("openvino", weights, "semantic", "cpu", "bf16", SIZE).path
    assert in_cache.parent == cache
    beside = weights.parent / in_cache.name
    beside.touch()
    assert plan_engine("openvino", weights, "semantic", "cpu", "bf16", SIZE).path == beside


@pytest.mark.usefixtures("everything_installed")
def test_tensorrt_runs_the_frames_of_several_cameras_as_one_batch(weights: Path, cache: Path) -> None:
    (planned,) = plan_files(weights, "semantic", "cuda:0", "fp16", SIZE, num_cameras=3)
    stem = "street-9a129038d9a0-semantic-480x640-fp16-batch"
    export, build = planned.steps
    assert (export.path, build.path) == (cache / f"{stem}.onnx", cache / f"{stem}3.engine")
    assert export.options[-1] == "--dynamic-batch"
    assert build.options == ("--max-batch", "3")
    (other,) = plan_files(weights, "semantic", "cuda:0", "fp16", SIZE, num_cameras=2)
    assert other.steps[0] == export
    assert other.path != planned.path
    on_cpu = [plan_engine("openvino", weights, "semantic", "cpu", "auto", SIZE, number) for number in (1, 3)]
    assert on_cpu[0] == on_cpu[1]


@pytest.mark.parametrize(("device", "options"), [("cuda", ()), ("cuda:0", ()), ("cuda:1", ("--device", "cuda:1"))])
def test_an_engine_is_built_for_the_gpu_that_runs_it(weights: Path, device: str, options: tuple[str, ...]) -> None:
    assert plan_engine("tensorrt", weights, "semantic", device, "fp16", SIZE).steps[1].options == options


@pytest.mark.usefixtures("everything_installed")
@pytest.mark.parametrize(("precision", "engines"), [("auto", ["openvino", "onnxruntime"]), ("bf16", ["openvino"])])
def test_on_a_cpu_every_engine_for_the_precision_is_planned(weights: Path, precision: str, engines: list[str]) -> None:
    assert [planned.engine for planned in plan_files(weights, "panoptic", "cpu", precision, SIZE)] == engines


def test_a_file_that_was_built_again_has_another_key(weights: Path, cache: Path) -> None:
    planned = plan_engine("openvino", weights, "semantic", "cpu", "auto", SIZE)
    cache.mkdir(parents=True)
    planned.path.touch()
    key = planned.key
    assert planned.key == key
    os.utime(planned.path, ns=(0, 1))
    assert planned.key != key


@pytest.fixture
def steps(weights: Path) -> tuple[BuildStep, ...]:
    return plan_engine("tensorrt", weights, "semantic", "cuda", "fp16", SIZE).steps


@pytest.mark.usefixtures("everything_installed")
def test_a_machine_with_packages_and_memory_runs_every_step(
    steps: tuple[BuildStep, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "available_memory_mib", lambda: plan.NEEDED_MIB)
    assert [step.problem() for step in steps] == ["", ""]
    monkeypatch.setattr(plan, "available_memory_mib", lambda: None)  # unknown
    assert [step.problem() for step in steps] == ["", ""]


def test_missing_packages_are_named_with_the_other_way(
    steps: tuple[BuildStep, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "available_memory_mib", lambda: None)
    monkeypatch.setattr(plan, "find_spec", lambda name: None)
    export, build = (step.problem() for step in steps)
    assert "the packages onnx, onnxscript, onnxruntime are missing" in export
    assert export.endswith(f"run it on a workstation and copy its file to {steps[0].path}; the node goes on from there")
    assert "the packages onnx, onnxruntime are missing" in build
    assert "workstation" not in build  # an engine is built where it runs


@pytest.mark.usefixtures("everything_installed")
def test_missing_memory_and_an_old_pytorch_are_problems(
    steps: tuple[BuildStep, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "available_memory_mib", lambda: 800)
    monkeypatch.setattr(torch, "__version__", "2.5.0a0+872d972e41.nv24.08")  # of JetPack 6
    export, build = (step.problem() for step in steps)
    for problem in (export, build):
        assert f"800 MiB of memory are available, expected {plan.NEEDED_MIB}" in problem
    assert "export needs PyTorch 2.8 or newer, this is 2.5.0a0" in export
    assert "PyTorch" not in build
