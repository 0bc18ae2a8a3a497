import json
from pathlib import Path

import pytest

pytest.importorskip("onnxscript", reason="the exporter is not installed")

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.segmenter import Segmenter


def test_a_graph_has_the_task_of_its_weights_and_warns_of_another(
    semantic_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, figures = tmp_path / "meadow.onnx", tmp_path / "figures.json"
    command = ["export", str(semantic_weights), str(graph), "--size", "64x96", "--json", str(figures)]
    for options, task, num_warnings in (((), "semantic", 0), (("--task", "panoptic"), "panoptic", 1)):
        assert main([*command, *options]) in (0, 1)
        content, captured = json.loads(figures.read_text()), capsys.readouterr()
        assert content["task"] == task
        info, segmenter = GraphInfo.load(graph), Segmenter(graph, device="cpu")
        assert (info.task, info.metadata.task, segmenter.task) == (task, "semantic", task)
        warnings = (content["task_warning"], captured.err, segmenter.task_warning)
        assert [text.count("trained for the semantic task") for text in warnings] == [num_warnings] * 3
        assert f"wrote {graph}: {task}, fp32" in captured.out
