import json
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.benchmark.counts import NetworkCounts
from bisenetformer_ros.cli import paper
from bisenetformer_ros.cli.__main__ import MISUSED, main

NEVER_CLOSED = {"meta", "img"}
EVALUATION = {
    "engine": "torch, cpu, fp32",
    "data": "cityscapes, val",
    "architecture": {"name": "bisenetformer-stdc1", "num_classes": 19},
    "weights_precision": "fp16",
    "dataset": "cityscapes",
    "task": "semantic",
    "task_warning": "",
    "num_images": 500,
    "miou": 0.70,
    "frame_ms": {"p50_ms": 100.0},
}


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects the titles of the cards."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.titles: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in NEVER_CLOSED:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.titles.append(data)


def drawings(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring("<svg " + part.split("</svg>")[0] + "</svg>") for part in page.split("<svg ")[1:]]


def test_without_results_there_are_the_paper_and_the_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts every network of the paper."""
    out = tmp_path / "new" / "paper"
    assert main(["paper", "--out", str(out)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["BiSeNetFormer", "R50", "57.5", "52.2", "62.4", "22.3", "199", "31.7"] in rows
    assert ["counted", "198.1", "31.7"] in rows
    assert "!" not in [cell for row in rows if row[:1] == ["counted"] for cell in row]
    tables = json.loads((out / "paper.json").read_text())["tables"]
    counted = [row["counted"] for table in tables for row in table["rows"] if "counted" in row]
    assert len(counted) == 23
    assert [entry["flagged"] for entry in counted] == [[]] * 23
    text = (out / "paper.html").read_text(encoding="utf-8")
    titles = Page(text).titles
    assert [title.partition(":")[0] for title in titles] == [
        *(f"Table {number}" for number in (1, 2, 3, 4, 5, 5, 6, 7)),
        "Contradictions in the paper",
        "Figure 1",
        "Figure 3",
        "Setup",
    ]
    assert text.count('src="data:image/webp;base64,') == 4 * 2
    assert "## Table 7: Number of queries on Cityscapes" in (out / "paper.md").read_text()


@pytest.fixture
def quick_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting takes a second per network."""
    monkeypatch.setattr(paper, "count_network", lambda architecture, size: NetworkCounts(13.1, 56.8, 51.3))


@pytest.mark.usefixtures("quick_counts")
def test_results_are_shown_beside_the_paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "stdc1.json").write_text(json.dumps(EVALUATION))
    (tmp_path / "results" / "other.json").write_text("{}")
    out = tmp_path / "paper"
    assert main(["paper", "--results", str(tmp_path / "results"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert ["measured", "[1],", "fp16", "weights", "70.0", "!", "10.0"] in rows
    assert ["difference", "-5.4", "x0.17"] in rows  # 70.0 and 10.0 against 75.4 and 59.0
    assert "[1] stdc1.json: torch, cpu, fp32, fp16 weights, 500 images" in printed
    assert "- other.json: neither a result of `evaluate --json` nor one of" in printed
    page = (out / "paper.html").read_text(encoding="utf-8")
    assert "Results without a row in the paper" in Page(page).titles
    cityscapes, *others = drawings(page)
    names = [text.text for text in cityscapes.iter("text")]
    assert {"PIDNet-L", "BiSeNetFormer STDC1", "STDC1, fp16 weights", "mIoU", "FPS"} <= set(names)
    assert [len(list(drawing.iter("circle"))) for drawing in (cityscapes, *others)] == [17 + 1, 17, 10, 6]


@pytest.mark.usefixtures("quick_counts")
def test_the_longest_rows_fit_into_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shares = {name: {"pq": 0.333} for name in ("All", "Things", "Stuff")}
    content = EVALUATION | {"task": "panoptic", **shares}
    for name in ("stdc2", "r50"):
        architecture = {"name": f"bisenetformer-{name}", "num_classes": 19}
        (tmp_path / f"{name}.json").write_text(json.dumps(content | {"architecture": architecture}))
    assert main(["paper", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80
    rows = [line.split() for line in printed.splitlines()]
    assert ["difference", "-24.2", "-18.9", "-29.1", "x0.45"] in rows  # R50: 57.5, 52.2, 62.4 and 22.3 FPS


@pytest.mark.usefixtures("quick_counts")
def test_figure_3_has_an_image_per_row_and_a_model_per_column(
    tmp_path: Path, random_weights: Path, semantic_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    images = []
    for name, size in (("wide", (48, 96)), ("tall", (96, 64))):
        images.append(str(tmp_path / f"{name}.png"))
        cv2.imwrite(images[-1], rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    models = [str(random_weights), str(semantic_weights)]
    assert main(["paper", "--out", str(tmp_path), "--images", *images, "--models", *models]) == 0
    page = (tmp_path / "paper.html").read_text(encoding="utf-8")
    for heading, count in (("wide.png", 1), ("tall.png", 1), (models[0], 2), (models[1], 2)):
        assert page.count(f"<figcaption>{heading}</figcaption>") == count
    assert page.count("trained for the semantic task") == capsys.readouterr().err.count("for the semantic task") == 1
    grid = cv2.imread(str(tmp_path / "figure_3.png"))
    heading = grid.shape[0] - 480 // 2 - 480 * 96 // 64
    assert 20 < heading < 80
    assert grid.shape[1] == 3 * 480 + 2 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "a.jpg"], "--images is for figure 3, which needs a folder to be written to: add --out DIR"),
        (["--models", "a"], "--models is for figure 3"),
        (["--results", "nowhere"], "expected a folder with files of"),
        (["--out", "out", "--models", "nowhere"], "nowhere"),
        (["--out", "out", "--images", "nowhere.jpg"], "nowhere.jpg"),
    ],
)
def test_misuse_is_explained(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["paper", *arguments]) == MISUSED
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
