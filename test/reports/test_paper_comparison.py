"""Counts come from a table here, so that nothing is built; test/cli/test_paper.py counts the networks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.reports.paper_comparison import PaperComparison, compare, num_counts

STDC2 = {"name": "bisenetformer-stdc2", "num_classes": 19}
EVALUATION = {
    "model": "streets",
    "engine": "torch, cpu, fp32",
    "data": "cityscapes, val",
    "architecture": STDC2,
    "weights_precision": "fp16",
    "dataset": "cityscapes",
    "task": "panoptic",
    "task_warning": "",
    "num_images": 500,
    "miou": 0.7,
    "frame_ms": {"count": 500, "p50_ms": 80.0},
    "All": {"pq": 0.567, "n": 19},
    "Things": {"pq": 0.49, "n": 8},
    "Stuff": {"pq": 0.60, "n": 11},
}


def contestant(name: str, median_ms: float, labels: float) -> dict[str, Any]:
    engine, precision = name.split()
    times = {"total_ms": {"median": median_ms}, "semantic_order": "full", "agreement": {"labels": labels}}
    return {"name": name, "engine": engine, "precision": precision, **times}


BENCHMARK = {
    "model": "bisenetformer-stdc2, num_queries 50",
    "architecture": {**STDC2, "num_queries": 50},
    "weights": "random",
    "task": "panoptic",
    "task_warning": "",
    "ceilings": {},
    "sizes": [
        {
            "frame_size": [1024, 2048],
            "contestants": [
                contestant("torch fp32", 500.0, 1.0),
                contestant("openvino bf16", 250.0, 0.996),
                contestant("openvino int8", 100.0, 0.5),
            ],
        },
        {"frame_size": [512, 1024], "contestants": [contestant("torch fp32", 100.0, 1.0)]},
    ],
}


def count(architecture: Mapping[str, Any], size: tuple[int, int]) -> dict[str, float]:
    """Count 40 M parameters for R50, which the paper does not."""
    is_r50 = architecture["name"].endswith("r50")
    return {"params_m": 40.0 if is_r50 else 17.13, "flops_g": 83.2, "folded_flops_g": 77.7}


def compared(folder: Path, **files: Any) -> PaperComparison:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return compare(folder, count)


def row(comparison: PaperComparison, number: int, name: str) -> dict[str, Any]:
    table = next(table for table in comparison.to_dict()["tables"] if table["number"] == number)
    return next(row for row in table["rows"] if f"{row['method']} {row['backbone']}".startswith(name))


def test_an_evaluation_stands_beside_its_row_in_every_table(tmp_path: Path) -> None:
    comparison = compared(tmp_path, streets=EVALUATION)
    for number, name in ((3, "BiSeNetFormer STDC2"), (6, "1/32 and 1/16, 3 stages"), (7, "100 queries")):
        (measured,) = row(comparison, number, name)["measured"]
        assert measured["figures"]["pq"] == pytest.approx(56.7)
        assert measured["difference"]["pq"] == pytest.approx(-0.6)  # of 57.3
        assert (measured["weights_precision"], measured["num_images"]) == ("fp16", 500)
    (measured,) = row(comparison, 3, "BiSeNetFormer STDC2")["measured"]
    assert measured["figures"]["fps"] == 12.5
    assert measured["flagged"] == ["pq_stuff"]  # 60.0 against 66.0; PQ and things are within a point
    assert row(comparison, 3, "BiSeNetFormer R50")["measured"] == []
    assert comparison.unmatched == {}


def test_tables_name_the_precision_of_the_weights_beside_the_figures(tmp_path: Path) -> None:
    text = compared(tmp_path, streets=EVALUATION).to_markdown()
    assert "| &emsp;measured [1], fp16 weights | 56.7 | 49.0 | 60.0 ! | 12.5 |  |  |" in text
    assert "| &emsp;difference | -0.6 | +0.4 | -6.0 | x0.26 |  |  |" in text
    assert "- [1] streets.json: torch, cpu, fp32, fp16 weights, 500 images" in text
    assert "| &emsp;counted |  |  |  |  | 83.2 | 17.1 |" in text
    assert "| &emsp;counted, folded |  |  |  |  | 77.7 |  |" in text


def test_part_of_a_data_set_is_named(tmp_path: Path) -> None:
    text = compared(tmp_path, streets=EVALUATION | {"num_images": 2}).to_markdown()
    assert "2 images, the data set has 500 !" in text


def test_a_benchmark_stands_beside_its_row_with_its_fastest_engine_that_agrees(tmp_path: Path) -> None:
    comparison = compared(tmp_path, queries50=BENCHMARK)
    (measured,) = row(comparison, 7, "50 queries")["measured"]
    assert measured["figures"] == {"fps": 4.0, "latency_ms": 250.0}
    assert measured["setting"] == "openvino, bf16; weights: random"
    assert measured["weights_precision"] is None
    assert comparison.unmatched == {
        "queries50.json at 512x1024": "the paper has no table for 19 classes in the panoptic task at 512x1024"
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not valid JSON"),
        ([1, 2], "neither a result of `evaluate --json` nor one of `benchmark --json`"),
        ({"All": {"pq": 1.0}}, "neither a result of `evaluate --json`"),
        ({key: EVALUATION[key] for key in EVALUATION if key != "architecture"}, "names no architecture"),
        (EVALUATION | {"architecture": {"name": "bisenetformer-stdc2"}}, "expected name and num_classes"),
        (EVALUATION | {"data": "cityscapes, train"}, "measured on 'cityscapes, train'; the paper's figures are of"),
        (EVALUATION | {"dataset": "camvid", "data": "camvid, val"}, "no table for the data set 'camvid'"),
        (
            EVALUATION | {"architecture": {"name": "bisenetformer-nano", "num_classes": 19}},
            "(3, 5, 6, 7) have no row of bisenetformer-nano with num_classes 19",
        ),
        ({key: EVALUATION[key] for key in EVALUATION if key != "All"}, "damaged: KeyError 'All'"),
        (BENCHMARK | {"sizes": [{"contestants": [contestant("torch bf16", 9, 0.1)]}]}, "no engine in it agrees"),
    ],
)
def test_what_matches_nothing_is_listed_with_the_reason(tmp_path: Path, content: Any, reason: str) -> None:
    comparison = compared(tmp_path, other=content)
    assert list(comparison.unmatched) == ["other.json"]
    assert reason in comparison.unmatched["other.json"]
    assert reason in comparison.to_markdown()


def test_results_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    other = EVALUATION | {"All": {"pq": 0.50, "n": 19}}
    comparison = compared(tmp_path, a=EVALUATION, b=other, c=BENCHMARK)
    assert comparison.conflicts == ("a.json and b.json: PQ 56.7 and 50.0 of bisenetformer-stdc2 on cityscapes",)
    assert comparison.conflicts[0] in comparison.to_markdown()


def test_equal_results_do_not_contradict_each_other(tmp_path: Path) -> None:
    assert compared(tmp_path, a=EVALUATION, b=EVALUATION | {"All": {"pq": 0.56, "n": 19}}).conflicts == ()


def test_counts_that_differ_from_the_paper_are_flagged() -> None:
    comparison = compare(None, count)
    assert row(comparison, 3, "BiSeNetFormer STDC2")["counted"]["flagged"] == []
    assert row(comparison, 3, "BiSeNetFormer R50")["counted"]["flagged"] == ["flops_g", "params_m"]  # 199 and 31.7


def test_without_results_there_are_paper_and_counts() -> None:
    counted: list[None] = []
    comparison = compare(None, count, lambda: counted.append(None))
    assert len(counted) == num_counts() == 15
    tables = comparison.to_dict()["tables"]
    assert [table["number"] for table in tables] == [1, 2, 3, 4, 5, 5, 6, 7]
    assert row(comparison, 1, "PIDNet-L")["paper"] == {"miou": 80.9, "fps": 31.1, "flops_g": 276, "params_m": 36.9}
    assert not any(row.get("measured") for table in tables for row in table["rows"])
    assert list(comparison.lists()) == ["Contradictions in the paper"]


def test_augmented_results_are_named_and_contradict_no_others(tmp_path: Path) -> None:
    augmented = EVALUATION | {"All": {"pq": 0.60, "n": 19}, "test-time augmentation": "scales 0.5, 1"}
    comparison = compared(tmp_path, a=EVALUATION, b=augmented)
    assert comparison.conflicts == ()
    assert "b.json: torch, cpu, fp32, fp16 weights, test-time augmentation, 500 images" in comparison.to_markdown()


@pytest.mark.parametrize(("name", "what"), [("nowhere", "missing"), ("file", "a file")])
def test_a_wrong_folder_is_explained(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=f"expected a folder with files of .*, which is {what}"):
        compare(tmp_path / name, count)
