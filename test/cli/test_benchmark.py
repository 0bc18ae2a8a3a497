import json
from pathlib import Path

import pytest

from bisenetformer_ros.cli.__main__ import MISUSED, main


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_pytorch_is_measured_in_all_its_precisions(random_weights: Path, tmp_path: Path, task: str) -> None:
    out = tmp_path / "figures.json"
    arguments = ["--model", str(random_weights), "--engine", "torch", "--size", "64x96", "--rounds", "3"]
    assert main(["benchmark", *arguments, "--device", "cpu", "--task", task, "--json", str(out)]) in (0, 1)
    content = json.loads(out.read_text())
    assert (content["model"], content["weights"], content["task"]) == ("random", "trained, random", task)
    (size,) = content["sizes"]
    assert [entry["name"] for entry in size["contestants"]] == ["torch fp32", "torch bf16"]
    assert "expected one of auto, fp32, bf16" in size["left_out"]["torch fp16"]
    first = size["contestants"][0]
    assert first["speedup"]["median"] == 1.0
    assert first["agreement"] == {"labels": 1.0, "segments": 1.0 if task == "panoptic" else None}
    assert first["total_ms"]["count"] == 3
    assert first["ceiling_share"] > 0
    assert first["peak_mib"] > 100


def test_semantic_weights_need_no_task_and_warn_of_another(
    semantic_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    arguments = ["--model", str(semantic_weights), "--engine", "torch", "--size", "64x96", "--rounds", "1"]
    for options, task, num_warnings in (((), "semantic", 0), (("--task", "panoptic"), "panoptic", 1)):
        assert main(["benchmark", *arguments, "--device", "cpu", "--json", str(out), *options]) in (0, 1)
        content, captured = json.loads(out.read_text()), capsys.readouterr()
        assert content["task"] == task
        warnings = (content["task_warning"], captured.out, captured.err)
        assert [" ".join(text.split()).count("trained for the semantic task") for text in warnings] == [
            num_warnings
        ] * 3


def test_every_engine_of_the_cpu_gets_its_graph(random_weights: Path, tmp_path: Path) -> None:
    out, markdown = tmp_path / "figures.json", tmp_path / "figures.md"
    engines = ["--engine", "onnxruntime", "--engine", "openvino", "--device", "cpu", "--size", "64x96"]
    arguments = ["--model", str(random_weights), *engines, "--rounds", "1", "--json", str(out)]
    assert main(["benchmark", *arguments, "--markdown", str(markdown)]) in (0, 1)
    (size,) = json.loads(out.read_text())["sizes"]
    assert size["left_out"] == {}
    by_name = {entry["name"]: entry for entry in size["contestants"]}
    assert list(by_name) == ["onnxruntime fp32", "onnxruntime int8", "openvino fp32", "openvino bf16", "openvino int8"]
    for name, entry in by_name.items():
        assert entry["name"] == f"{entry['engine']} {entry['precision']}"
        assert entry["agreement"]["labels"] > (0.9 if "int8" in name else 0.99)
        assert entry["ceiling_share"] > 0
        assert entry["peak_mib"] > 100
        assert f"| {name} | " in markdown.read_text()


def test_a_variant_of_an_architecture_is_counted_and_measured(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = ["--queries", "20", "--levels", "3", "--stages", "1", "--classes", "5", "--task", "panoptic"]
    arguments = ["--model", "bisenetformer-nano", "--engine", "torch", "--device", "cpu", "--size", "64x96"]
    assert main(["benchmark", *arguments, *options, "--rounds", "1", "--json", str(out)]) in (0, 1)
    content = json.loads(out.read_text())
    variant = {"num_classes": 5, "num_queries": 20, "num_levels": 3, "num_blocks": 3}
    assert content["architecture"] == {"name": "bisenetformer-nano", **variant}
    assert content["weights"] == "random"
    assert 0 < content["params_m"] < 2.9  # fewer blocks than the nano has
    (size,) = content["sizes"]
    assert 0 < size["gmacs"] < size["unfolded_gmacs"]
    assert size["contestants"][0]["total_ms"]["median"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--queries", "50"], "build a variant of an architecture, got --model bisenetformer-nano-camvid"),
        (["--model", "nowhere"], "'nowhere' is no architecture (bisenetformer-stdc1"),
        (["--against", ".", "--task", "panoptic"], "SDK has no panoptic task"),
    ],
)
def test_misuse_is_explained(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--engine", "torch", "--size", "64x96", *arguments]) == MISUSED
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--size", "512", "expected HEIGHTxWIDTH in pixels, such as 512x1024, got 512"),
        ("--rounds", "0", "expected a whole number from 1, got 0"),
        ("--queries", "0", "expected a whole number from 1, got 0"),
        ("--levels", "4", "invalid choice: 4"),
    ],
)
def test_a_wrong_value_exits_with_2(option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["benchmark", option, value])
    assert message in capsys.readouterr().err
