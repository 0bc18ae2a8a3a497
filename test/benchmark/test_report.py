import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bisenetformer_ros.benchmark.ceilings import Ceilings
from bisenetformer_ros.benchmark.contestants import EngineContestant
from bisenetformer_ros.benchmark.counts import NetworkCounts
from bisenetformer_ros.benchmark.report import BenchmarkReport, EngineEntry, SizeReport, speedup, spread
from bisenetformer_ros.benchmark.rounds import Timing
from bisenetformer_ros.benchmark.tables import show_report, to_markdown
from bisenetformer_ros.inference.agreement import Agreement
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.results import StageTimes

COUNTS = NetworkCounts(params_m=13.1, gmacs=28.0, folded_gmacs=25.0)
ARCHITECTURE = {"name": "bisenetformer-stdc1", "num_classes": 19}
CEILINGS = Ceilings({"fp32": 100.0}, 40.0)
NOT_RUN = {"tensorrt fp16": "no GPU here", "tensorrt fp32": "no GPU here"}


def entry(engine: str, precision: str, *totals_ms: float) -> EngineEntry:
    """A contestant whose network takes half of the time."""
    contestant = EngineContestant(Path("model"), "semantic", engine, "cpu", precision, (0.8, 0.8))
    timings = tuple(Timing(total, StageTimes(0.1 * total, 0.5 * total, 0.4 * total)) for total in totals_ms)
    return EngineEntry(contestant, timings, Agreement(0.999, None), 512.0)


@pytest.fixture
def report() -> BenchmarkReport:
    entries = entry("torch", "fp32", 1000.0, 1000.0), entry("torch", "bf16", 500.0, 400.0)
    others = (entry("openvino", "fp32", 250.0, 250.0),)
    size = SizeReport((512, 1024), COUNTS, entries + others, NOT_RUN)
    machine = {"memory": "24 GiB"}
    return BenchmarkReport("yard", ARCHITECTURE, "trained, yard", "semantic", "", machine, CEILINGS, (size,))


def test_json(report: BenchmarkReport) -> None:
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (content["model"], content["weights"], content["task"]) == ("yard", "trained, yard", "semantic")
    assert (content["architecture"], content["params_m"]) == (ARCHITECTURE, 13.1)
    assert content["machine"] == {"memory": "24 GiB"}
    assert content["ceilings"] == {"matmul_gmacs": {"fp32": 100.0}, "bandwidth_gbs": 40.0}
    (size,) = content["sizes"]
    assert (size["frame_size"], size["gmacs"], size["unfolded_gmacs"]) == ([512, 1024], 25.0, 28.0)
    assert size["left_out"] == NOT_RUN
    fp32, bf16, openvino = size["contestants"]
    assert fp32 == {
        "name": "torch fp32",
        "engine": "torch",
        "precision": "fp32",
        "semantic_order": "full",
        "total_ms": {"lower": 1000.0, "median": 1000.0, "upper": 1000.0, "count": 2},
        "stages_ms": {
            "preprocess": {"lower": 100.0, "median": 100.0, "upper": 100.0, "count": 2},
            "inference": {"lower": 500.0, "median": 500.0, "upper": 500.0, "count": 2},
            "postprocess": {"lower": 400.0, "median": 400.0, "upper": 400.0, "count": 2},
        },
        "speedup": {"lower": 1.0, "median": 1.0, "upper": 1.0, "count": 2},
        "ceiling_share": 0.5,  # 25 GMAC in half a second, of 100 GMAC/s
        "agreement": {"labels": 0.999, "segments": None},
        "peak_mib": 512.0,
    }
    assert bf16["speedup"] == {"lower": 2.125, "median": 2.25, "upper": 2.375, "count": 2}
    assert bf16["ceiling_share"] is None  # nobody measured what bf16 could do
    assert openvino["ceiling_share"] == 2.0  # 125 ms for 25 GMAC


def test_tables_fit_a_terminal(report: BenchmarkReport) -> None:
    stream = io.StringIO()
    show_report(report, Console(file=stream, width=80))
    text = stream.getvalue()
    assert "yard, 13.1 M parameters, semantic task; weights: trained, yard" in text
    assert "100 GMAC/s in fp32" in text
    assert "512x1024, 25.0 GMAC in the network, 28.0 before folding" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["torch", "bf16", "450", "425..475", "2.25", "2.12..2.38"] in rows
    assert ["torch", "fp32", "100", "500", "400", "50", "%", "99.90", "512"] in rows
    assert ["torch", "bf16", "45", "225", "180", "-", "99.90", "512"] in rows
    assert "not run: tensorrt fp16; tensorrt fp32: no GPU here" in text


@pytest.mark.parametrize(("order", "segments", "shown"), [("coarse", None, []), ("full", 1.0, ["100.0"])])
def test_the_longest_rows_fit_into_80_columns(
    report: BenchmarkReport, order: SemanticOrder, segments: float | None, shown: list[str]
) -> None:
    contestant = EngineContestant(Path("model"), "", "onnxruntime", "cpu", "fp32", (0.8, 0.8), order)
    timings = tuple(Timing(total, StageTimes(1000.0, 9000.0, 2000.0)) for total in (12000.0, 13000.0))
    slow = EngineEntry(contestant, timings, Agreement(1.0, segments), 12345.0)
    stream = io.StringIO()
    show_report(replace(report, sizes=(SizeReport((512, 1024), COUNTS, (slow,)),)), Console(file=stream, width=80))
    rows = [line.split() for line in stream.getvalue().splitlines()]
    assert [*contestant.name.split(), "12500", "12250..12750", "1.00", "1.00..1.00"] in rows
    assert [*contestant.name.split(), "1000", "9000", "2000", "3", "%", "100.00", *shown, "12345"] in rows


def test_markdown_has_the_same_rows(report: BenchmarkReport) -> None:
    lines = to_markdown(report).splitlines()
    assert "- memory: 24 GiB" in lines
    assert "| torch bf16 | 450 | 425..475 | 2.25 | 2.12..2.38 |" in lines
    assert (
        lines[lines.index("|  | time | quartiles | speed | quartiles |") + 1] == "| --- | ---: | ---: | ---: | ---: |"
    )
    assert "| torch fp32 | 100 | 500 | 400 | 50 % | 99.90 | 512 |" in lines
    assert "- not run: tensorrt fp16; tensorrt fp32: no GPU here" in lines


def test_quartiles_of_numbers_in_any_order() -> None:
    found = spread([9.0, 1.0, 5.0, 3.0, 7.0])
    assert (found.lower, found.median, found.upper, found.count) == (3.0, 5.0, 7.0, 5)


def test_quartiles_lie_between_measurements() -> None:
    found = spread([0.0, 10.0])
    assert (found.lower, found.median, found.upper) == (2.5, 5.0, 7.5)


def test_one_measurement_has_no_spread() -> None:
    assert spread([4.0]).to_dict() == {"lower": 4.0, "median": 4.0, "upper": 4.0, "count": 1}


def test_an_outlier_moves_the_median_little() -> None:
    assert spread([10.0, 11.0, 12.0, 13.0, 1000.0]).median == 12.0


def test_a_speedup_is_taken_round_by_round() -> None:
    """In the second round the machine was three times as slow, for both."""
    found = speedup([100.0, 300.0, 100.0], [50.0, 150.0, 25.0])
    assert (found.lower, found.median, found.upper) == (2.0, 2.0, 3.0)


def test_rounds_must_be_paired() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        speedup([1.0, 2.0], [1.0])
