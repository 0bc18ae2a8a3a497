"""Our TensorRT code against the real Python bindings of the supported versions. It shows that everything the code calls
exists and is called correctly; nothing here runs TensorRT.

One rehearsal per version, in a process of its own: see tensorrt_rehearsal.py.
"""

import ast
import functools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorrt_wheels

from bisenetformer_ros.inference.graph.contract import OUTPUTS

PACKAGE = Path(__file__).parents[4] / "bisenetformer_ros"
SOURCES = tuple(PACKAGE / "inference" / "engines" / "tensorrt" / name for name in ("engine.py", "build.py"))
VERSIONS = ("8.6.1", "10.3.0", "10.13.3.9", "11.4.0.106")

PLAYERS = {
    "builder": "Builder",
    "cache": "ITimingCache",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine": "ICudaEngine",
    "layer": "ILayer",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "runtime": "Runtime",
    "tensor": "ITensor",
}
"""In our code, a variable or attribute of such a name holds an object of that class of TensorRT, and of no other."""

PROBED = {
    "8.6.1": set(),
    "10.3.0": {"NetworkDefinitionCreationFlag.STRONGLY_TYPED", "IProgressMonitor"},
    "10.13.3.9": {"NetworkDefinitionCreationFlag.STRONGLY_TYPED", "IProgressMonitor"},
    "11.4.0.106": {"IProgressMonitor"},
}
"""Version → what our code would do without. Without STRONGLY_TYPED it looks for EXPLICIT_BATCH, which 11 has not."""


def run_script(version: str, what: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """tensorrt_rehearsal.py with the bindings of a version."""
    newest = tensorrt_wheels.NEWEST_PYTHON.get(version, sys.version_info[:2])
    if sys.version_info[:2] > newest:
        pytest.skip(f"there are bindings of TensorRT {version} for Python up to {newest[0]}.{newest[1]}")
    try:
        environment = tensorrt_wheels.environment(tensorrt_wheels.bindings(version))
    except tensorrt_wheels.UnreachableError as error:
        pytest.skip(str(error))
    command = [
        sys.executable,
        str(Path(tensorrt_wheels.__file__).with_name("tensorrt_rehearsal.py")),
        what,
        str(directory),
    ]
    return subprocess.run(command, env=environment | variables, capture_output=True, text=True)


@pytest.fixture(scope="module")
def rehearse(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The report of the rehearsal with a version, which takes place once."""

    @functools.cache
    def rehearse(version: str) -> Any:
        result = run_script(version, "rehearse", tmp_path_factory.mktemp(version))
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return rehearse


@pytest.fixture(params=VERSIONS)
def report(request: pytest.FixtureRequest, rehearse: Callable[[str], Any]) -> Any:
    return rehearse(request.param)


def test_the_bindings_are_those_of_the_version(report: Any, request: pytest.FixtureRequest) -> None:
    assert report["version"] == request.node.callspec.params["report"]


def test_without_any_single_thing_that_it_uses_the_code_fails(report: Any) -> None:
    """So none of it can be missing, or spelled otherwise, without being noticed."""
    assert set(report["not_needed"]) == PROBED[report["version"]]


def test_everything_that_the_code_asks_of_tensorrt_was_asked_of_some_version(rehearse: Callable[[str], Any]) -> None:
    used = set().union(*(rehearse(version)["used"] for version in VERSIONS))
    named = set().union(*(uses(path.read_text(encoding="utf-8")) for path in SOURCES))
    assert named == used


def test_each_version_has_a_path_of_its_own(report: Any) -> None:
    old, typed = report["version"].startswith("8."), "NetworkDefinitionCreationFlag.STRONGLY_TYPED" in report["used"]
    assert typed != old
    assert ("NetworkDefinitionCreationFlag.EXPLICIT_BATCH" in report["used"]) == old
    assert ("IBuilderConfig.progress_monitor" in report["used"]) != old


def test_progress_is_heard_where_there_is_any(report: Any) -> None:
    phases = [
        ["started", "building", None, 1],
        ["started", "tactics", "building", 2],
        ["step", "tactics", 0],
        ["finished", "tactics"],
        ["finished", "building"],
    ]
    assert report["progress"] == ([] if report["version"].startswith("8.") else phases)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("parse", ["TensorRT {version} cannot read", "no importer for Foo\n", "INT64 is not supported"]),
        ("build", ["TensorRT {version} could not build an engine of", "single.onnx"]),
        ("timings", ["single.timings is not a timing cache of this TensorRT", "delete it"]),
        ("load", ["TensorRT {version} cannot load", "single.engine"]),
        ("prepare", ["TensorRT {version} cannot prepare to run", "single.engine"]),
        ("run", ["could not run the network"]),
        ("wrong", ["single.engine gives wrong results", "% of labels (required: 99."]),
        ("tensors", ["single.engine: expected input frames uint8[1, 6, 8, 3]", "found input frames uint8[1, 2, 3]"]),
    ],
)
def test_errors_of_tensorrt_are_reported(report: Any, name: str, words: list[str]) -> None:
    for word in words:
        assert word.format(**report) in report["refusals"][name]


def test_errors_of_the_parser_and_of_the_logger_are_kept(report: Any) -> None:
    assert report["errors_print_themselves"]
    assert report["log"]["first"] == 2 * ["said as INTERNAL_ERROR", "said as ERROR"]
    assert report["log"]["last"] == [f"error {number}" for number in range(90, 100)]


def test_a_warning_of_tensorrt_is_logged_once(report: Any) -> None:
    assert report["log"]["logged"] == ["TensorRT: said as WARNING"]


def test_8_6_keeps_the_layers_that_take_float32_in_an_fp16_graph(report: Any) -> None:
    """With their outputs, if those are float32 and not booleans; but no casts, constants, shapes, or half precision."""
    pinned = {name: ["precision", 0] for name in ("reds", "greens", "same_greens")} | {"is_red": ["precision"]}
    half = pinned if report["version"].startswith("8.") else {}
    assert report["pinned"] == {"batch": {}, "panoptic": {}, "single": half, "int8": {}, "dla": half}


def test_fixed_shapes_are_recorded_as_a_cuda_graph_where_that_is_possible(report: Any) -> None:
    """recorded, run as recorded; and the same where CUDA refuses: its labels, too, come out."""
    assert report["recordings"] == {"single": [True, True, True, False], "batch": [False] * 4}


def test_an_engine_is_optimized_for_the_number_of_cameras(report: Any) -> None:
    assert [shape[0] for shape in report["profile"]] == [1, 3, 3]


def test_8_6_needs_flags_for_the_precisions_of_a_graph(report: Any) -> None:
    """From 10 on, networks are typed, and 11 has no such flags."""
    old = report["version"].startswith("8.")
    int8, fp16 = (["INT8"], ["FP16", "OBEY_PRECISION_CONSTRAINTS"]) if old else ([], [])
    dla = [*fp16, "GPU_FALLBACK"]
    assert report["flags"] == {"batch": [], "panoptic": [], "single": fp16, "int8": int8, "dla": dla}


def test_a_dla_core_is_chosen_for_the_build_and_again_for_the_run(report: Any) -> None:
    used = {name: cores for name, cores in report["dla"].items() if cores}
    assert used == {"dla": {"device": "DLA", "built_for": 1, "run_on": 1}}
    words = f"TensorRT {report['version']} finds 2 DLA cores here, expected core 2, counted from 0; build without"
    assert words in report["refusals"]["dla"]


def test_every_type_of_tensorrt_is_known_or_refused(report: Any) -> None:
    known = {"FLOAT": "float32", "HALF": "float16", "INT8": "int8", "UINT8": "uint8", "INT32": "int32", "BOOL": "bool"}
    known |= {"INT64": "int64"} if "INT64" in report["types"] else {}
    refused = {"BF16", "FP8", "INT4", "FP4", "E8M0"} & report["types"].keys()
    assert report["types"] == known | dict.fromkeys(refused)


def test_a_build_leaves_engine_sidecar_and_timings_and_nothing_else(report: Any) -> None:
    ends = (".engine", ".engine.json", ".onnx", ".timings")
    stems = ["batch", "dla", "int8", "panoptic", "single"]
    assert report["files"] == sorted(stem + end for stem in stems for end in ends)


def test_an_engine_is_compared_with_onnx_runtime_once(report: Any) -> None:
    remembered, compared = report["golden"]
    assert remembered.startswith(
        "agreement with ONNX Runtime over 4 frames, one by one and in a batch of 1: "
        "100.00 % of labels (required: 99.5 %), 100.00 % of confidence (required: "
    )
    assert "single.onnx is missing: an engine is compared with ONNX Runtime" in compared


@pytest.mark.parametrize(("version", "interpret"), [("8.6.1", "0"), ("8.6.1", "1"), ("11.4.0.106", "1")])
def test_logits_become_results_on_the_gpu_where_kernels_run(version: str, interpret: str, tmp_path: Path) -> None:
    """They run in Triton's interpreter. Without it, the host does the same from the logits, and a warning says why."""
    result = run_script(version, "logits", tmp_path, TRITON_INTERPRET=interpret)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert len(report) == 4
    logits = ["class_logits", "mask_logits"]
    for name, (tensors, outputs, warning, recorded) in report.items():
        task, dynamic_batch = name.split("-")
        assert tensors == ["frames", *logits]
        assert outputs == (list(OUTPUTS[task]) if interpret == "1" else logits)
        assert ("its kernels cannot run" in warning) == (interpret == "0")
        assert recorded == (dynamic_batch == "False")


@pytest.mark.parametrize("version", ["8.6.1", "11.4.0.106"])
def test_an_interrupted_build_ends_soon_and_leaves_nothing(version: str, tmp_path: Path) -> None:
    """8.6 cannot be interrupted, 11.4 can."""
    result = run_script(version, "interrupt", tmp_path)
    assert (result.returncode, result.stdout) == (130, "")
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["single.onnx"]


def uses(source: str) -> set[str]:
    """What a module asks of TensorRT: "name" and "name.member" of the library `trt`, "Class.name" of PLAYERS."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute) or node.attr.startswith("__"):
            continue
        owner = node.value
        if isinstance(owner, ast.Name) and owner.id == "trt":
            found.add(node.attr)
        elif isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name) and owner.value.id == "trt":
            found.add(f"{owner.attr}.{node.attr}")
        elif player := PLAYERS.get(getattr(owner, "id", getattr(owner, "attr", "")).lstrip("_")):
            found.add(f"{player}.{node.attr}")
    return found


def test_uses_are_found_in_every_form() -> None:
    source = """
def f(trt, builder):
    trt.Runtime(trt.MemoryPoolType.WORKSPACE)
    builder.create_network(flags=1)
    self._context.execute_async_v3(0)
    config.progress_monitor = other.thing
    return trt.__version__
"""
    assert uses(source) == {
        "Runtime",
        "MemoryPoolType",
        "MemoryPoolType.WORKSPACE",
        "Builder.create_network",
        "IExecutionContext.execute_async_v3",
        "IBuilderConfig.progress_monitor",
    }
