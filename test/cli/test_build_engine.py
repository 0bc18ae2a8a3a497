"""The errors of `build-engine`. test_contract.py of the engine has the rest."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from small_graph import write_graph

from bisenetformer_ros.cli.__main__ import main


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_graph(tmp_path / "half.onnx", "fp16", dynamic_batch=False)


def refused(capsys: pytest.CaptureFixture[str], graph: Path, *arguments: object) -> str:
    """What the command says when it ends with code 2, having written nothing."""
    engine = graph.with_suffix(".engine")
    assert main(["build-engine", str(graph), str(engine), *map(str, arguments)]) == 2
    assert not engine.exists()
    return capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_without_tensorrt_it_says_how_to_get_it(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, graph)
    assert "TensorRT cannot be imported (No module named 'tensorrt')" in message
    assert "apt install python3-libnvinfer" in message
    assert "pip install tensorrt" in message


def test_without_a_gpu_it_says_where_to_run(
    graph: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", ModuleType("tensorrt"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    message = refused(capsys, graph)
    assert "TensorRT needs an NVIDIA GPU, but PyTorch" in message
    assert "or run this on the machine with the GPU" in message


def test_a_graph_of_another_precision_is_reported_with_the_export_command(
    graph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, graph, "--precision", "fp32")
    assert f"{graph} has precision fp16, expected fp32" in message
    assert f"bisenetformer export WEIGHTS {graph} --size 6x8 --task semantic --precision fp32" in message


@pytest.mark.parametrize(
    ("dynamic_batch", "most", "advice"),
    [(False, 2, "--task semantic --precision fp16 --dynamic-batch"), (True, 65, "choose a smaller one")],
)
def test_a_batch_that_the_graph_does_not_take_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dynamic_batch: bool, most: int, advice: str
) -> None:
    graph = write_graph(tmp_path / "half.onnx", "fp16", dynamic_batch)
    message = refused(capsys, graph, "--max-batch", most)
    assert f"takes {most - 1} frames per run at most, expected {most}; " in message
    assert advice in message


def test_int8_for_cpus_is_refused_with_the_command_for_tensorrt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, write_graph(tmp_path / "int8.onnx", "int8", dynamic_batch=False))
    assert "has unsigned activations with zero points, which are for CPUs; expected signed ones" in message
    assert "--precision int8 --calibrate IMAGES --symmetric" in message


def test_the_command_for_another_precision_than_int8_asks_for_no_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = write_graph(tmp_path / "int8.onnx", "int8", dynamic_batch=False, symmetric=True)
    message = refused(capsys, graph, "--precision", "fp16")
    assert message.strip().endswith("--size 6x8 --task semantic --precision fp16` (WEIGHTS: the weights file)")


@pytest.mark.parametrize(
    ("precision", "dynamic_batch", "found"),
    [("fp32", False, "fp32"), ("int8", False, "int8"), ("fp16", True, "fp16 with a dynamic batch")],
)
def test_a_dla_core_takes_fp16_and_one_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], precision: str, dynamic_batch: bool, found: str
) -> None:
    graph = write_graph(tmp_path / "street.onnx", precision, dynamic_batch, symmetric=precision == "int8")
    message = refused(capsys, graph, "--dla-core", 0)
    assert f"{graph} is in {found}, expected fp16 and one frame per run" in message
    assert message.strip().endswith("--size 6x8 --task semantic --precision fp16` (WEIGHTS: the weights file)")


def test_a_dla_core_that_no_jetson_has_is_misuse(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["build-engine", str(graph), "a.engine", "--dla-core", "2"])
    assert end.value.code == 2
    assert "invalid choice: 2 (choose from 0, 1)" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_what_is_no_graph_of_ours_is_refused(damage: str, graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = graph.read_bytes()
    graph.unlink()
    if damage != "missing":
        graph.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x08\x08")
    assert str(graph) in refused(capsys, graph)


def test_a_missing_folder_is_reported_before_the_build(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected a file in an existing folder to write to, got" in refused(
        capsys, graph, "--timing-cache", graph.parent / "nowhere" / "timings"
    )


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "much"])
def test_a_wrong_workspace_is_misuse(graph: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["build-engine", str(graph), "a.engine", "--workspace-mib", number])
    assert end.value.code == 2
    assert f"expected a whole number from 1, got {number}" in capsys.readouterr().err
